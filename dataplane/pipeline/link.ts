/**
 * One direction between two neighbouring streams of a session: passes chunks on, holds the reader back while the
 * writer is full, and keeps what came in while the writer was away.
 *
 * ```
 *   reader ──data──▶ link ──write──▶ writer
 *      ▲               │ write() === false, or no writer yet
 *      └────pause──────┤ reader is reliable: it is paused while the writer is full, or when its beginning is all
 *                      │ that may wait for a writer; what still comes is kept
 *                      └ reader is not (UDP): a bounded queue, the oldest is dropped and counted
 * ```
 */
import type { OffloadRefusal } from '../core/offload.ts';
import type { DirectionCounters } from '../core/session.ts';
import type { EndReason, Signal, Stream } from '../core/stream.ts';

/** Sees what enters a link before it goes on: rate limits and mirrors. */
export interface Gate {
  /** It sees nothing of what the kernel relays, so there the session has to stay in user space. Undefined: that is all the same. */
  readonly keepsOut: OffloadRefusal | undefined;
  /** False drops the chunk. */
  pass(chunk: Buffer, text: boolean): boolean;
  signal?(signal: Signal): void;
  /** The reader has ended, or the session has. */
  close(): void;
}

/** Whose link it is. */
export interface LinkOwner {
  /** The writer was told of the end. */
  linkFinished(link: Link): void;
}

/** What is read from. */
export type Reader = Pick<Stream, 'framing' | 'reliable' | 'pause' | 'resume'>;

/** The most bytes that wait where the reader can't be held back. */
const QUEUE_BYTES = 4 * 1024 * 1024;

/** How much may wait for a first writer before its reader is paused: most clients say less before they hear something. */
const BEGINNING_BYTES = 16 * 1024;

type Item = { readonly chunk: Buffer; readonly text: boolean } | { readonly signal: Signal };

export class Link {
  readonly counters: DirectionCounters;
  /** The reader has ended. */
  ended = false;
  /** The writer was told so, or is gone; nothing more is written. */
  finished = false;
  gate: Gate | undefined;
  /** Changes what goes beside the payload. */
  edit: ((signal: Signal) => Signal) | undefined;
  /** What the writer reads goes on here: its framing may be that of what is written to it. */
  next: Link | undefined;
  /** The reader is held back by its gate, whatever the writer says. */
  private held = false;
  private reader: Reader | undefined;
  /** What is written to: the stream itself, or what others have made of it. */
  private writer: Stream | undefined;
  private bareWriter: Stream | undefined;
  private wraps: Set<(writer: Stream) => Stream> | undefined;
  /** Chunks go straight through: there is a writer, it has room, and nothing waits. */
  private flowing = false;
  private paused = false;
  private queue: Item[] | undefined;
  private queuedBytes = 0;
  /** What was written, as long as it may have to be written again. */
  private kept: Item[] | undefined;
  private keptRoom = 0;
  private reason: EndReason | undefined;
  /** Datagrams are made of the reader's bytes: none is larger. */
  private split = 0;
  private readonly queueLimit: number;
  private readonly owner: LinkOwner;

  constructor(owner: LinkOwner, counters: DirectionCounters, queueLimit: number) {
    this.owner = owner;
    this.counters = counters;
    this.queueLimit = queueLimit;
  }

  setReader(reader: Reader): void {
    this.reader = reader;
    this.paused = false;
    if (this.held) this.pause();
    this.adapt();
  }

  /** A writer to begin (or go on) with; `undefined` holds everything until there is one again. */
  setWriter(writer: Stream | undefined): void {
    this.bareWriter = writer;
    this.wrap();
    this.flowing = false;
    // Whoever was told of the end is gone: the next one is told, too.
    if (writer === undefined) this.finished = false;
    this.adapt();
    if (writer) this.drain();
  }

  /** What is written goes through what `wrap` makes of the writer, and of those to come, until the function that it gives is called. */
  wrapWriter(wrap: (writer: Stream) => Stream): () => void {
    this.wraps ??= new Set();
    this.wraps.add(wrap);
    this.wrap();
    return () => {
      this.wraps?.delete(wrap);
      this.wrap();
    };
  }

  private wrap(): void {
    this.writer = this.bareWriter;
    for (const wrap of this.wraps ?? []) this.writer &&= wrap(this.writer);
  }

  private adapt(): void {
    const { reader, writer } = this;
    if (reader && writer) {
      writer.adoptFraming?.(reader.framing);
      this.split = reader.framing === 'bytes' && writer.framing === 'datagrams' ? (writer.maxDatagram ?? 0) : 0;
    }
    this.next?.adapt();
  }

  /** What comes as messages goes on as bytes. */
  get losesBoundaries(): boolean {
    return this.reader?.framing === 'datagrams' && this.writer?.framing === 'bytes';
  }

  /** Nothing waits in it, and nothing that was written waits for room, as far as its writer says. */
  get isClear(): boolean {
    return this.flowing && !this.paused && !this.ended;
  }

  push(chunk: Buffer, text: boolean): void {
    if (this.finished) return;
    this.counters.bytes += chunk.length;
    this.counters.packets++;
    if (this.gate !== undefined && !this.gate.pass(chunk, text)) {
      this.counters.dropped++;
      return;
    }
    if (!this.flowing || this.writer === undefined) this.enqueue({ chunk, text });
    else if (!this.write(this.writer, chunk, text)) this.block();
  }

  signal(signal: Signal): void {
    if (this.finished) return;
    this.gate?.signal?.(signal);
    const passed = this.edit === undefined ? signal : this.edit(signal);
    if (this.flowing && this.writer) this.writeSignal(this.writer, passed);
    else this.enqueue({ signal: passed });
  }

  /** Nothing more will be pushed. The writer's `end` comes after what waits. */
  finish(reason?: EndReason): void {
    if (this.ended) return;
    this.ended = true;
    this.reason = reason;
    this.gate?.close();
    this.tryFinish();
  }

  /** Nothing can be written any more: what waits is dropped, what comes is, too; the reader reads on to its end. */
  discard(): void {
    this.finished = true;
    this.queue = undefined;
    this.queuedBytes = 0;
    this.bareWriter = undefined;
    this.writer = undefined;
    this.held = false;
    this.unpause();
  }

  /** The gate holds the reader back, or lets it go on. */
  hold(held: boolean): void {
    if (this.finished) return;
    this.held = held;
    if (held) this.pause();
    else if (this.flowing) this.unpause();
  }

  /** The writer has room again. */
  drain(): void {
    const { writer, queue } = this;
    if (writer === undefined || this.finished) return;
    if (queue) {
      for (let sent = 0; sent < queue.length; sent++) {
        const item = queue[sent];
        if (item === undefined) break;
        this.queuedBytes -= sizeOf(item);
        if ('signal' in item) {
          this.writeSignal(writer, item.signal);
        } else if (!this.write(writer, item.chunk, item.text)) {
          queue.splice(0, sent + 1);
          if (queue.length === 0) this.queue = undefined;
          this.tryFinish();
          return;
        }
      }
      this.queue = undefined;
    }
    this.flowing = true;
    this.unpause();
    this.tryFinish();
  }

  /** From here on what is written is kept, up to so many bytes, until `forget`: another writer can be told it again. */
  keep(maxBytes: number): void {
    this.kept = [];
    this.keptRoom = maxBytes;
  }

  forget(): void {
    this.kept = undefined;
  }

  /** Whether all that was written is kept. */
  get isKept(): boolean {
    return this.kept !== undefined;
  }

  /** The writer is gone: the next one is told everything from the start. */
  repeat(): void {
    const { kept = [], queue = [] } = this;
    this.setWriter(undefined);
    this.queue = [...kept, ...queue];
    this.queuedBytes = this.queue.reduce((sum, item) => sum + sizeOf(item), 0);
    if (this.queue.length === 0) this.queue = undefined;
    for (const item of kept) this.keptRoom += sizeOf(item);
    this.kept = [];
  }

  private remember(item: Item): void {
    this.keptRoom -= sizeOf(item);
    if (this.keptRoom < 0) this.kept = undefined;
    else this.kept?.push(item);
  }

  private writeSignal(writer: Stream, signal: Signal): void {
    if (this.kept !== undefined) this.remember({ signal });
    writer.signal?.(signal);
  }

  private write(writer: Stream, chunk: Buffer, text: boolean): boolean {
    if (this.kept !== undefined) this.remember({ chunk, text });
    if (this.split === 0 || chunk.length <= this.split) return writer.write(chunk, text);
    let room = true;
    for (let start = 0; start < chunk.length; start += this.split) {
      room = writer.write(chunk.subarray(start, start + this.split), text);
    }
    return room;
  }

  private enqueue(item: Item): void {
    this.queue ??= [];
    this.queue.push(item);
    this.queuedBytes += sizeOf(item);
    if (!this.reader?.reliable) this.dropOldest(this.queue);
    else if (this.queuedBytes > BEGINNING_BYTES) this.pause();
  }

  private dropOldest(queue: Item[]): void {
    while (queue.length > this.queueLimit || this.queuedBytes > QUEUE_BYTES) {
      const item = queue.shift();
      if (item === undefined) return;
      this.queuedBytes -= sizeOf(item);
      this.counters.dropped++;
    }
  }

  private block(): void {
    this.flowing = false;
    if (this.reader?.reliable) this.pause();
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.reader?.pause();
  }

  private unpause(): void {
    if (!this.paused || this.held) return;
    this.paused = false;
    this.reader?.resume();
  }

  private tryFinish(): void {
    if (!this.ended || this.finished || this.queue !== undefined || this.writer === undefined) return;
    this.finished = true;
    this.writer.end(this.reason);
    this.owner.linkFinished(this);
  }
}

function sizeOf(item: Item): number {
  return 'chunk' in item ? item.chunk.length : 0;
}
