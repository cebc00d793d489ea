/** The datagrams of one source on a listener's socket, as Stream. */
import { BaseStream } from '../../core/base-stream.ts';
import type { ProxyError } from '../../../common/errors.ts';
import type { Stream } from '../../core/stream.ts';
import { EAGAIN, sendTo, systemError } from '../../sockets/native/libc.ts';
import { MAX_UNIX_DATAGRAM } from '../../sockets/native/unix-socket.ts';

/** Datagrams that a paused session keeps before it holds up the socket, which it shares with all others. */
const HELD = 64;

/** Between two attempts to send to a source whose queue is full, in ms: the kernel tells only connected sockets. */
const FIRST_RETRY = 1;
const LAST_RETRY = 20;

/** How long answers may take to leave after the session's end, in ms. */
const LINGER = 2000;

/** The socket that sources share. */
export interface SharedSocket {
  readonly fd: number;
  readonly closed: boolean;
  /** A session can't keep more: nothing is to be read. */
  block(stream: SourceStream): void;
  unblock(stream: SourceStream): void;
  release(stream: SourceStream): void;
}

export class SourceStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  readonly halfClose = false;
  readonly maxDatagram = MAX_UNIX_DATAGRAM;
  /** It held up the socket for too long: what it can't keep is dropped until it reads again. */
  lossy = false;
  /** What a map of sources knows it by. */
  readonly key: string;
  private readonly shared: SharedSocket;
  /** The source's address; undefined where it has none, and can't be answered. */
  private readonly address: Buffer | undefined;
  private readonly peer: string;
  private paused = false;
  private ending = false;
  private held: Buffer[] | undefined;
  private queue: Buffer[] | undefined;
  private retryIn = FIRST_RETRY;
  private timer: NodeJS.Timeout | undefined;
  private lingerUntil = Infinity;

  constructor(shared: SharedSocket, key: string, peer: string) {
    super();
    this.shared = shared;
    this.key = key;
    this.peer = peer;
    this.address = peer === '' ? undefined : Buffer.from(key, 'latin1');
  }

  deliver(datagram: Buffer): void {
    if (!this.paused) {
      this.sink.data(datagram, false);
      return;
    }
    this.held ??= [];
    this.held.push(datagram);
    if (this.held.length <= HELD) return;
    if (this.lossy) this.held.shift();
    else this.shared.block(this);
  }

  protected start(): void {
    // Datagrams are delivered by the listener.
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    while (this.held !== undefined && !this.isPaused() && !this.closed) {
      const datagram = this.held.shift();
      if (datagram === undefined) this.held = undefined;
      else this.sink.data(datagram, false);
    }
    if (this.held === undefined) {
      this.lossy = false;
      this.shared.unblock(this);
    }
  }

  /** It changes while datagrams are delivered. */
  private isPaused(): boolean {
    return this.paused;
  }

  write(datagram: Buffer): boolean {
    if (this.closed || this.address === undefined) return true;
    if (this.queue === undefined) {
      if (this.send(datagram, this.address)) return true;
      this.queue = [];
      this.retry();
    }
    this.queue.push(datagram);
    return false;
  }

  /** False: the source's queue is full. */
  private send(datagram: Buffer, address: Buffer): boolean {
    const result = sendTo(this.shared.fd, datagram, address);
    if (result === -EAGAIN) return false;
    if (result < 0) {
      const error = systemError(`answering ${this.peer}`, -result, 'PEER_RESET');
      queueMicrotask(() => this.destroy(error)); // nobody expects that while he writes
    }
    return true;
  }

  private retry(): void {
    this.timer = setTimeout(() => this.flush(), this.retryIn);
    this.retryIn = Math.min(2 * this.retryIn, LAST_RETRY);
  }

  private flush(): void {
    const { queue, address } = this;
    if (queue === undefined || address === undefined || this.shared.closed) return;
    let sent = 0;
    for (const datagram of queue) {
      if (!this.send(datagram, address)) break;
      sent++;
    }
    if (sent > 0) this.retryIn = FIRST_RETRY;
    queue.splice(0, sent);
    if (queue.length === 0) {
      this.queue = undefined;
      if (!this.closed) this.sink.drain();
    } else if (Date.now() < this.lingerUntil) this.retry();
  }

  /** UNIX datagram sockets have no word for it. */
  end(): void {
    this.ending = true;
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    // The session is over, but what it said last isn't lost as long as the source takes it.
    if (error === undefined && this.ending) this.lingerUntil = Date.now() + LINGER;
    else clearTimeout(this.timer);
    this.held = undefined;
    this.shared.unblock(this);
    this.shared.release(this);
    this.emitClose(error);
  }
}
