/** A stream whose peer is the test: records what it is given, says what it is told to. */
import { BaseStream } from '../../dataplane/core/base-stream.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { Flow } from '../../dataplane/core/offload.ts';
import type { EndReason, Framing, Signal, Stream } from '../../dataplane/core/stream.ts';

export interface FakeOptions {
  readonly framing?: Framing;
  readonly reliable?: boolean;
  readonly halfClose?: boolean;
  readonly maxDatagram?: number;
  readonly flow?: Flow | string;
}

export class FakeStream extends BaseStream implements Stream {
  readonly framing: Framing;
  readonly reliable: boolean;
  readonly halfClose: boolean;
  declare readonly maxDatagram?: number;
  declare readonly flow?: () => Flow | string;
  retriable = true;
  /** What was written, in order. */
  readonly written: string[] = [];
  readonly signals: Signal[] = [];
  /** What was asked of it, in order. */
  readonly calls: string[] = [];
  /** The answer to `write`. */
  room = true;
  endReason: EndReason | undefined;
  destroyError: ProxyError | undefined;
  refusedWith: ProxyError | undefined;

  constructor({ framing = 'bytes', reliable = true, halfClose = true, maxDatagram, flow }: FakeOptions = {}) {
    super();
    this.framing = framing;
    this.reliable = reliable;
    this.halfClose = halfClose;
    if (maxDatagram !== undefined) this.maxDatagram = maxDatagram;
    if (flow !== undefined) this.flow = () => flow;
  }

  protected start(): void {
    this.calls.push('open');
  }

  write(chunk: Buffer): boolean {
    this.written.push(chunk.toString());
    return this.room;
  }

  signal(signal: Signal): void {
    this.signals.push(signal);
  }

  end(reason?: EndReason): void {
    this.calls.push('end');
    this.endReason = reason;
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  connected(): void {
    this.calls.push('connected');
  }

  refuse(error: ProxyError): void {
    this.calls.push('refuse');
    this.refusedWith = error;
    this.emitClose();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.calls.push('destroy');
    this.destroyError = error;
    this.emitClose(error);
  }

  // What its peer does.

  says(text: string): void {
    this.sink.data(Buffer.from(text), false);
  }

  sends(signal: Signal): void {
    this.sink.signal(signal);
  }

  ends(reason?: EndReason): void {
    this.sink.end(reason);
  }

  drains(): void {
    this.room = true;
    this.sink.drain();
  }

  closes(error?: ProxyError): void {
    this.emitClose(error);
  }
}
