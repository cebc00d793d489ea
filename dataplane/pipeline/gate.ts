/** Rate limits of one session's client, and gates in a row. */
import type { ListenerOptions } from '../../gen/l7mp/config/v1/types.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import type { Signal } from '../core/stream.ts';
import type { Gate, Link } from './link.ts';
import { TokenBucket } from '../core/token-bucket.ts';

/** Datagrams and bytes a second of one session: too many are held back where that is possible, dropped elsewhere. */
export class RateGate implements Gate {
  readonly keepsOut = {
    reason: 'rate-limit',
    message: 'expected no limit of datagrams or bytes a second (datagrams_per_second, bytes_per_second), found one',
  } as const;
  private readonly link: Link;
  private readonly reliable: boolean;
  private readonly datagrams: TokenBucket | undefined;
  private readonly bytes: TokenBucket | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    link: Link,
    reliable: boolean,
    options: Pick<ListenerOptions, 'datagrams_per_second' | 'bytes_per_second'>,
  ) {
    this.link = link;
    this.reliable = reliable;
    this.datagrams = options.datagrams_per_second > 0 ? new TokenBucket(options.datagrams_per_second) : undefined;
    this.bytes = options.bytes_per_second > 0 ? new TokenBucket(options.bytes_per_second) : undefined;
  }

  pass(chunk: Buffer): boolean {
    if (!this.reliable) {
      // What one bucket refuses, the other doesn't pay for.
      const passes = (this.datagrams?.has(1) ?? true) && (this.bytes?.has(chunk.length) ?? true);
      if (passes) {
        this.datagrams?.take();
        this.bytes?.take(chunk.length);
      }
      return passes;
    }
    const wait = Math.max(this.datagrams?.borrow(1) ?? 0, this.bytes?.borrow(chunk.length) ?? 0);
    if (wait > 0) {
      this.link.hold(true);
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.link.hold(false);
      }, wait);
    }
    return true;
  }

  close(): void {
    clearTimeout(this.timer);
  }
}

/** Several gates in a row: a chunk that one drops, the next doesn't see. */
export class Gates implements Gate {
  private readonly gates: readonly Gate[];

  constructor(gates: readonly Gate[]) {
    this.gates = gates;
  }

  /** That of the first. */
  get keepsOut(): OffloadRefusal {
    return this.gates[0]?.keepsOut ?? { reason: 'error', message: 'expected a gate, found none' };
  }

  pass(chunk: Buffer, text: boolean): boolean {
    return this.gates.every((gate) => gate.pass(chunk, text));
  }

  signal(signal: Signal): void {
    for (const gate of this.gates) gate.signal?.(signal);
  }

  close(): void {
    for (const gate of this.gates) gate.close();
  }
}
