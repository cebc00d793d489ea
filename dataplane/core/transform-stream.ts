/** A stream inside the proxy: what is written comes out again, changed by a function. */
import { BaseStream } from './base-stream.ts';
import { ProxyError } from '../../common/errors.ts';
import type { EndReason, Framing, Signal, Stream } from './stream.ts';

/** Passes a chunk on. */
export type Emit = (chunk: Buffer, text: boolean) => void;

/** What is done with what passes. */
export interface Transformer {
  /** What comes out, where it isn't what goes in. */
  readonly framing?: Framing;
  /** What will go in. */
  adoptFraming?(framing: Framing): void;
  /** Handles a chunk: calls `emit` for what shall go on, any number of times. Throwing ends the stream with the error. */
  data(chunk: Buffer, text: boolean, emit: Emit): void;
  /** At the end, before the end is passed on. Throwing ends the stream with the error. */
  flush?(emit: Emit): void;
  /** When the stream is gone. */
  close?(): void;
}

/** Keeps nothing: when its reader pauses it, it asks its writer to wait. */
export class TransformStream extends BaseStream implements Stream {
  framing: Framing;
  readonly reliable = true;
  readonly halfClose = true;
  private readonly transformer: Transformer;
  private readonly emit: Emit;
  private paused = false;
  private ended = false;

  constructor(transformer: Transformer) {
    super();
    this.transformer = transformer;
    this.framing = transformer.framing ?? 'bytes';
    this.emit = (chunk, text) => {
      this.sink.data(chunk, text);
    };
  }

  adoptFraming(framing: Framing): void {
    this.framing = this.transformer.framing ?? framing;
    this.transformer.adoptFraming?.(framing);
  }

  protected start(): void {
    // It reads only what is written.
  }

  write(chunk: Buffer, text: boolean): boolean {
    if (this.closed || this.ended) return true;
    try {
      this.transformer.data(chunk, text, this.emit);
    } catch (error) {
      this.destroy(ProxyError.from(error));
      return true;
    }
    return !this.paused;
  }

  end(reason?: EndReason): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    try {
      this.transformer.flush?.(this.emit);
    } catch (error) {
      this.destroy(ProxyError.from(error));
      return;
    }
    this.sink.end(reason);
    this.finish();
  }

  signal(signal: Signal): void {
    if (!this.closed && !this.ended) this.sink.signal(signal);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.closed && !this.ended) this.sink.drain();
  }

  destroy(error?: ProxyError): void {
    this.finish(error);
  }

  private finish(error?: ProxyError): void {
    if (this.closed) return;
    this.transformer.close?.();
    this.emitClose(error);
  }
}
