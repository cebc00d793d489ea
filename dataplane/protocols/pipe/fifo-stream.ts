/** One FIFO to read, one to write, as one stream; either may be missing, or be opened later. */
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Sink, Stream } from '../../core/stream.ts';
import type { Opened } from './fifo.ts';

export class FifoStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly reads: boolean;
  private readonly writes: boolean;
  private readonly abort = new AbortController();
  private opened: Opened | undefined;
  private writer: Socket | undefined;
  /** What is written before somebody reads. */
  private queue: Buffer[] = [];
  private started = false;
  private paused = false;
  private ending = false;
  private readEnded = false;
  private writeEnded = false;

  /** Which ends it will have. Without one to read, its end is that of what is written. */
  constructor({ reads, writes }: { readonly reads: boolean; readonly writes: boolean }) {
    super();
    this.reads = reads;
    this.writes = writes;
  }

  /** Aborts when the stream is gone: nobody needs its ends any more. */
  get gone(): AbortSignal {
    return this.abort.signal;
  }

  /** Takes the end to read, which it owns from then on. */
  setReader(opened: Opened): void {
    if (this.closed) {
      opened.reader.destroy();
      return;
    }
    this.opened = opened;
    opened.reader.on('error', this.onError);
    if (this.started) this.read(opened);
  }

  /** Takes the end to write, which it owns from then on. */
  setWriter(writer: Socket): void {
    if (this.closed) {
      writer.destroy();
      return;
    }
    this.writer = writer;
    writer.on('error', this.onError);
    writer.on('close', () => {
      this.writeEnded = true;
      this.settle();
    });
    writer.on('drain', () => this.sink.drain());
    const waited = this.queue.length > 0;
    let room = true;
    for (const chunk of this.queue) room = writer.write(chunk);
    this.queue = [];
    if (this.ending) writer.end();
    else if (waited && room) this.sink.drain();
  }

  override open(sink: Sink): void {
    super.open(sink);
    this.started = true;
  }

  protected start(): void {
    if (this.opened) this.read(this.opened);
  }

  private read({ reader, head }: Opened): void {
    const { sink } = this;
    if (head) sink.data(head, false);
    if (this.closed) return;
    reader.on('data', (chunk) => sink.data(chunk, false));
    reader.on('end', () => {
      this.readEnded = true;
      sink.end();
      this.settle();
    });
    if (this.paused) reader.pause();
  }

  write(chunk: Buffer): boolean {
    if (!this.writes || this.closed || this.ending) return true;
    if (this.writer) return this.writer.destroyed || this.writer.write(chunk);
    this.queue.push(chunk);
    return false;
  }

  end(): void {
    if (this.ending || this.closed) return;
    this.ending = true;
    if (this.writer) this.writer.end();
    else if (this.queue.length === 0) this.writeEnded = true; // nobody waits for nothing
    if (!this.reads) {
      this.readEnded = true;
      this.sink.end();
    }
    this.settle();
  }

  pause(): void {
    this.paused = true;
    if (this.started) this.opened?.reader.pause();
  }

  resume(): void {
    this.paused = false;
    if (this.started) this.opened?.reader.resume();
  }

  destroy(error?: ProxyError): void {
    this.abort.abort(new ProxyError('PEER_CLOSED', 'the session has ended'));
    this.opened?.reader.destroy();
    this.writer?.destroy();
    this.queue = [];
    this.emitClose(error);
  }

  /** A reader that went away (EPIPE) has had enough. */
  private readonly onError = (error: Error): void => this.destroy(ProxyError.from(error, 'PEER_RESET'));

  private settle(): void {
    if (this.readEnded && this.writeEnded && !this.closed) this.destroy();
  }
}
