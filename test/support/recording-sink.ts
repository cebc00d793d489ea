/** A sink that remembers what it was told, in order. */
import type { ProxyError } from '../../common/errors.ts';
import type { EndReason, Signal, Sink } from '../../dataplane/core/stream.ts';

export class RecordingSink implements Sink {
  /** Everything, in short: `data:…`, `signal:…`, `end`, `drain`, `close` or `close:CODE`. */
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  readonly texts: boolean[] = [];
  readonly signals: Signal[] = [];
  closeError: ProxyError | undefined;

  data(chunk: Buffer, text: boolean): void {
    this.chunks.push(chunk);
    this.texts.push(text);
    this.events.push(`data:${chunk.toString()}`);
  }

  signal(signal: Signal): void {
    this.signals.push(signal);
    this.events.push(`signal:${signal.type}`);
  }

  end(reason?: EndReason): void {
    this.events.push(reason ? `end:${reason.code}` : 'end');
  }

  drain(): void {
    this.events.push('drain');
  }

  close(error?: ProxyError): void {
    this.closeError = error;
    this.events.push(error ? `close:${error.code}` : 'close');
  }
}
