/** One FIFO to read, one to write, as one stream; either may be missing. */
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Stream } from '../../core/stream.ts';

export class FifoStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly reader: Socket | undefined;
  private readonly writer: Socket | undefined;
  private readEnded = false;
  private writeEnded = false;

  constructor(reader: Socket | undefined, writer: Socket | undefined) {
    super();
    this.reader = reader;
    this.writer = writer;
    const fail = (error: Error): void => this.destroy(ProxyError.from(error, 'PEER_RESET'));
    reader?.on('error', fail);
    writer?.on('error', fail);
  }

  protected start(): void {
    const { reader, writer, sink } = this;
    writer?.on('drain', () => sink.drain());
    writer?.on('close', () => {
      this.writeEnded = true;
      this.settle();
    });
    if (reader === undefined) return; // nothing comes, ever; the end of what is written is the end
    reader.on('data', (chunk) => sink.data(chunk, false));
    reader.on('end', () => {
      this.readEnded = true;
      sink.end();
      this.settle();
    });
  }

  write(chunk: Buffer): boolean {
    return this.writer === undefined || this.writer.destroyed || this.writer.write(chunk);
  }

  end(): void {
    if (this.writer) this.writer.end();
    else {
      this.writeEnded = true;
      this.settle();
    }
    if (this.reader === undefined && !this.readEnded) {
      this.readEnded = true;
      this.sink.end();
      this.settle();
    }
  }

  pause(): void {
    this.reader?.pause();
  }

  resume(): void {
    this.reader?.resume();
  }

  destroy(error?: ProxyError): void {
    this.reader?.destroy();
    this.writer?.destroy();
    this.emitClose(error);
  }

  private settle(): void {
    if (!this.readEnded || !this.writeEnded) return;
    this.reader?.destroy();
    this.emitClose();
  }
}
