/**
 * Where the frames on a WebSocket's connection end (RFC 6455, section 5.2). `ws` is given whole frames, so that the connection can be taken
 * from it between any two: what it has seen, it has done.
 *
 * ```
 *   connection ──▶ held: a frame that has begun ──▶ whole frames ──▶ ws
 *                        │ lift
 *                        └──▶ the connection's stream of bytes
 * ```
 */
import type { Socket } from 'node:net';
import { SocketStream } from '../../core/socket-stream.ts';
import type { Stream } from '../../core/stream.ts';

/** A frame's header, without payload: two bytes, eight of length, four of a mask. */
const MAX_HEADER = 14;

/** Finds the ends of frames in what comes, chunk by chunk. */
export class FrameScanner {
  /** Of the payload of the frame that has begun, where its header has come: all, and what is still to come. */
  length = 0;
  private left = 0;
  /** Of a message, the last frame has not come yet. */
  isFragmented = false;
  private readonly header = Buffer.alloc(MAX_HEADER);
  private size = 0;
  private hasHeader = false;

  /** The index behind the last frame that ends in the chunk; 0: none does. */
  scan(chunk: Buffer): number {
    let end = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.hasHeader) {
        const length = Math.min(this.left, chunk.length - at);
        this.left -= length;
        at += length;
      } else {
        this.header[this.size++] = chunk[at++] ?? 0;
        this.readHeader();
      }
      if (!this.hasHeader || this.left > 0) continue;
      this.frameEnds();
      end = at;
    }
    return end;
  }

  private readHeader(): void {
    if (this.size < 2) return;
    const second = this.header[1] ?? 0;
    const short = second & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (this.size < 2 + extended + (second & 0x80 ? 4 : 0)) return;
    this.hasHeader = true;
    if (extended === 0) this.length = short;
    else this.length = extended === 2 ? this.header.readUInt16BE(2) : Number(this.header.readBigUInt64BE(2));
    this.left = this.length;
  }

  private frameEnds(): void {
    const first = this.header[0] ?? 0;
    // Control frames may come between the fragments of a message.
    if ((first & 0x0f) < 8) this.isFragmented = (first & 0x80) === 0;
    this.hasHeader = false;
    this.length = 0;
    this.size = 0;
  }
}

const EVENTS = ['data', 'end', 'drain', 'close', 'error'] as const;

type Listener = (...args: unknown[]) => void;

/** Stands before `ws`, on a connection that it may have to give back. */
export class FrameGate {
  private readonly socket: Socket;
  private readonly limit: number;
  /** Who listened before `ws` did. */
  private readonly others = new Set<unknown>();
  private readonly scanner = new FrameScanner();
  private readers: readonly Listener[] | undefined;
  private held: Buffer[] = [];
  /** It may have seen a part of a frame. */
  private isSplit = false;

  /** Before the handshake. `limit`: a frame with a larger payload is given to `ws` as it comes, to be refused. */
  constructor(socket: Socket, limit: number) {
    this.socket = socket;
    this.limit = limit;
    for (const event of EVENTS) for (const listener of socket.listeners(event)) this.others.add(listener);
  }

  /** After the handshake, before anything is read: until then, `ws` is given what comes by the socket itself. */
  start(): void {
    const { socket } = this;
    this.readers = this.listeners('data');
    for (const reader of this.readers) socket.off('data', reader);
    socket.on('data', (chunk: Buffer) => this.push(chunk));
    // On its own last look at the connection, `ws` reads what the socket still has.
    socket.prependListener('close', () => this.flush());
  }

  /** Whether `ws` is known to have seen no part of a message without the others. */
  get isWhole(): boolean {
    return this.readers !== undefined && !this.isSplit && !this.scanner.isFragmented;
  }

  /** Takes the connection from `ws`: the stream of its bytes, paused. */
  lift(): Stream {
    const { socket } = this;
    socket.pause();
    for (const event of EVENTS) for (const listener of this.listeners(event)) socket.off(event, listener);
    if (this.held.length > 0) socket.unshift(Buffer.concat(this.held.splice(0)));
    return new SocketStream(socket);
  }

  private listeners(event: (typeof EVENTS)[number]): Listener[] {
    return (this.socket.listeners(event) as Listener[]).filter((listener) => !this.others.has(listener));
  }

  private push(chunk: Buffer): void {
    const end = this.scanner.scan(chunk);
    if (this.scanner.length > this.limit) this.isSplit = true;
    if (this.isSplit || end === chunk.length) {
      this.flush();
      this.give(chunk);
      return;
    }
    if (end > 0) {
      this.flush();
      this.give(chunk.subarray(0, end));
    }
    this.held.push(end > 0 ? chunk.subarray(end) : chunk);
  }

  private flush(): void {
    for (const chunk of this.held.splice(0)) this.give(chunk);
  }

  private give(chunk: Buffer): void {
    for (const reader of this.readers ?? []) reader.call(this.socket, chunk);
  }
}
