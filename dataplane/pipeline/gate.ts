/** Rate limits of one session's client, and gates in a row. */
import type { ListenerOptions } from '../../gen/l7mp/config/v1/types.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import type { Signal } from '../core/stream.ts';
import type { Gate, Link } from './link.ts';
import { TokenBucket } from '../../common/token-bucket.ts';

/** What may come of one session a second; 0 is no limit. */
export type Rates = Pick<ListenerOptions, 'datagrams_per_second' | 'bytes_per_second'>;

/**
 * Datagrams and bytes a second of one session, by limits that hold beside each other: too many are held back where that is possible,
 * dropped elsewhere.
 */
export class RateGate implements Gate {
  readonly keepsOut = {
    reason: 'rate-limit',
    message: 'expected no limit of datagrams or bytes a second (datagrams_per_second, bytes_per_second), found one',
  } as const;
  private readonly link: Link;
  private readonly reliable: boolean;
  private readonly datagrams: readonly TokenBucket[];
  private readonly bytes: readonly TokenBucket[];
  private timer: NodeJS.Timeout | undefined;

  constructor(link: Link, reliable: boolean, limits: readonly Rates[]) {
    this.link = link;
    this.reliable = reliable;
    this.datagrams = limits.flatMap(({ datagrams_per_second: rate }) => (rate > 0 ? new TokenBucket(rate) : []));
    this.bytes = limits.flatMap(({ bytes_per_second: rate }) => (rate > 0 ? new TokenBucket(rate) : []));
  }

  pass(chunk: Buffer): boolean {
    if (!this.reliable) {
      // What one bucket refuses, the others don't pay for.
      const { length } = chunk;
      const passes = this.datagrams.every((bucket) => bucket.has(1)) && this.bytes.every((each) => each.has(length));
      if (passes) {
        for (const bucket of this.datagrams) bucket.take();
        for (const bucket of this.bytes) bucket.take(length);
      }
      return passes;
    }
    let wait = 0;
    for (const bucket of this.datagrams) wait = Math.max(wait, bucket.borrow(1));
    for (const bucket of this.bytes) wait = Math.max(wait, bucket.borrow(chunk.length));
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
