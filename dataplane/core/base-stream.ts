/** What every stream shares: a sink that is given once, and a close that is told once. */
import type { ProxyError } from '../../common/errors.ts';
import { DEAF } from './discard.ts';
import type { Sink } from './stream.ts';

/** Base of streams: `sink` is there after `open`; `emitClose` may come before that. */
export abstract class BaseStream {
  protected sink: Sink = DEAF;
  /** Nothing is called after this is true. */
  protected closed = false;
  private closeError: ProxyError | undefined;

  open(sink: Sink): void {
    this.sink = sink;
    if (this.closed) queueMicrotask(() => sink.close(this.closeError));
    else this.start();
  }

  /** Begins to read; called by `open` on a stream that is still alive. */
  protected abstract start(): void;

  /** Tells the sink, once, that the stream is gone. */
  protected emitClose(error?: ProxyError): void {
    if (this.closed) return;
    this.closed = true;
    this.closeError = error;
    this.sink.close(error);
  }
}
