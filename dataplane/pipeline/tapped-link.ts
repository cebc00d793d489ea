/** Two places at which a link lets others look on: before its reader's chunks enter, and as its writer is given them. */
import type { OffloadRefusal } from '../core/offload.ts';
import { StreamWrapper } from '../core/stream-wrapper.ts';
import type { EndReason, Signal, Stream } from '../core/stream.ts';
import type { Gate, Link } from './link.ts';

/** Told of what passes one place. */
export interface Onlooker {
  data(chunk: Buffer, text: boolean): void;
  signal(signal: Signal): void;
  end(reason?: EndReason): void;
}

/** Looks on at what a link's reader gives, as it gives it, until the function that this gives is called. */
export function watchReader(link: Link, onlooker: Onlooker): () => void {
  const gate = new WatchedGate(onlooker, link.gate);
  link.gate = gate;
  return () => {
    if (link.gate === gate) link.gate = gate.next;
    else if (link.gate instanceof WatchedGate) link.gate.takeOut(gate);
  };
}

/** Looks on at what a link's writer is given, as it is given it, until the function that this gives is called. */
export function watchWriter(link: Link, onlooker: Onlooker): () => void {
  return link.wrapWriter((writer) => new WatchedWriter(writer, onlooker));
}

/** In front of the gate that there was, if any. */
class WatchedGate implements Gate {
  next: Gate | undefined;
  private readonly onlooker: Onlooker;
  private closed = false;

  constructor(onlooker: Onlooker, next: Gate | undefined) {
    this.onlooker = onlooker;
    this.next = next;
  }

  /** Those of taps keep nothing out by themselves: a session that is tapped isn't offered to the kernel. */
  get keepsOut(): OffloadRefusal | undefined {
    return this.next?.keepsOut;
  }

  pass(chunk: Buffer, text: boolean): boolean {
    this.onlooker.data(chunk, text);
    return this.next === undefined || this.next.pass(chunk, text);
  }

  signal(signal: Signal): void {
    this.onlooker.signal(signal);
    this.next?.signal?.(signal);
  }

  close(): void {
    if (!this.closed) this.onlooker.end();
    this.closed = true;
    this.next?.close();
  }

  takeOut(gate: WatchedGate): void {
    if (this.next === gate) this.next = gate.next;
    else if (this.next instanceof WatchedGate) this.next.takeOut(gate);
  }
}

class WatchedWriter extends StreamWrapper {
  private readonly onlooker: Onlooker;

  constructor(inner: Stream, onlooker: Onlooker) {
    super(inner);
    this.onlooker = onlooker;
  }

  override write(chunk: Buffer, text: boolean): boolean {
    this.onlooker.data(chunk, text);
    return super.write(chunk, text);
  }

  override signal(signal: Signal): void {
    this.onlooker.signal(signal);
    super.signal(signal);
  }

  override end(reason?: EndReason): void {
    this.onlooker.end(reason);
    super.end(reason);
  }
}
