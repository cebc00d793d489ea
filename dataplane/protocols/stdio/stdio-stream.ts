/** Standard input and output as one stream. There is one pair: one session has it at a time. */
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Stream } from '../../core/stream.ts';

let taken = false;

export class StdioStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private inputEnded = false;
  private outputEnded = false;

  /** @throws ProxyError `LIMIT_EXCEEDED` where another session has it. */
  constructor() {
    super();
    if (taken) throw new ProxyError('LIMIT_EXCEEDED', 'another session has standard input and output');
    taken = true;
    setBlocking(false);
  }

  protected start(): void {
    process.stdin.on('data', this.onData).on('end', this.onEnd).on('error', this.onError);
    process.stdout.on('drain', this.onDrain).on('error', this.onError);
    // A failure may be told when the session is over: unheard, it would end the process.
    if (!process.stdout.listeners('error').includes(ignore)) process.stdout.on('error', ignore);
    // An earlier session has read it to its end.
    if (process.stdin.readableEnded || process.stdin.destroyed) queueMicrotask(this.onEnd);
  }

  private readonly onData = (chunk: Buffer): void => this.sink.data(chunk, false);
  private readonly onDrain = (): void => this.sink.drain();

  private readonly onEnd = (): void => {
    if (this.closed || this.inputEnded) return;
    this.inputEnded = true;
    this.sink.end();
    this.settle();
  };

  /** A reader that went away (EPIPE) is a peer that closed. */
  private readonly onError = (error: Error): void => {
    this.release();
    this.emitClose(ProxyError.from(error, 'PEER_RESET'));
  };

  write(chunk: Buffer): boolean {
    return this.closed || this.outputEnded || process.stdout.write(chunk);
  }

  /** Standard output itself stays open: the log may go there. What is written is waited for. */
  end(): void {
    if (this.outputEnded || this.closed) return;
    if (process.stdout.writableLength === 0) {
      queueMicrotask(this.onWritten);
    } else {
      process.stdout.write('', (error) => {
        if (!error) this.onWritten(); // or else the stream's own event says so
      });
    }
  }

  pause(): void {
    process.stdin.pause();
  }

  resume(): void {
    process.stdin.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.release();
    this.emitClose(error);
  }

  private readonly onWritten = (): void => {
    this.outputEnded = true;
    this.settle();
  };

  private settle(): void {
    if (!this.inputEnded || !this.outputEnded || this.closed) return;
    this.release();
    this.emitClose();
  }

  private release(): void {
    taken = false;
    setBlocking(true);
    process.stdin.off('data', this.onData).off('end', this.onEnd).off('error', this.onError);
    process.stdin.pause();
    process.stdout.off('drain', this.onDrain).off('error', this.onError);
  }
}

function ignore(): void {
  // The session that is concerned has its own listener.
}

/**
 * Node.js writes to a pipe on standard output synchronously: a reader that is slow would stop the whole proxy. It has no
 * public switch for that; where the handle has none either, it stays as it is.
 */
function setBlocking(blocking: boolean): void {
  const { _handle: handle } = process.stdout as { _handle?: { setBlocking?(blocking: boolean): number } };
  handle?.setBlocking?.(blocking);
}
