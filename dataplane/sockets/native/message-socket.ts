/** A connected socket that keeps message boundaries (UNIX datagram and seqpacket, SCTP, AF_PACKET) as Stream. */
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Stream } from '../../core/stream.ts';
import { inbox, MAX_MESSAGE } from './inbox.ts';
import {
  close,
  EAGAIN,
  ECONNRESET,
  EINTR,
  EMSGSIZE,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  send,
  setOption,
  SHUT_WR,
  shutdown,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  systemError,
} from './libc.ts';
import { type Watch, watch } from './poller.ts';

/** Messages that one socket reads before others have their turn. */
const READ_BUDGET = 64;

/** How long what was written to a socket that nobody wants any more may take to leave, in ms. */
const LINGER = 2000;

export interface MessageSocketOptions {
  /** How errors name it, as in `/run/x.sock`. */
  readonly peer: string;
  readonly reliable: boolean;
  /** Whether it is connected for both sides, so that each can end its own. */
  readonly halfClose: boolean;
  readonly maxDatagram?: number;
  /** After the descriptor was closed. */
  readonly onClosed?: () => void;
}

/**
 * It owns the descriptor. What one protocol does otherwise than the others is in the protected methods.
 *
 * While it is paused, or nothing is asked of it, epoll is asked for nothing: a hang-up would be told again and again.
 */
export class MessageSocket extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable: boolean;
  readonly halfClose: boolean;
  readonly maxDatagram?: number;
  protected readonly fd: number;
  protected readonly peer: string;
  private readonly watch: Watch;
  private readonly onClosed: (() => void) | undefined;
  private reading = false;
  private readEnded = false;
  /** Our side is to end after what waits. */
  private ending = false;
  private writeEnded = false;
  /** What the kernel had no room for; the writer waits for `drain`. */
  private queue: Buffer[] | undefined;
  private failure: ProxyError | undefined;
  private linger: NodeJS.Timeout | undefined;

  /** Where it throws, it has closed the descriptor. */
  constructor(fd: number, { peer, reliable, halfClose, maxDatagram, onClosed }: MessageSocketOptions) {
    super();
    this.fd = fd;
    this.peer = peer;
    this.reliable = reliable;
    this.halfClose = halfClose;
    if (maxDatagram !== undefined) this.maxDatagram = maxDatagram;
    this.onClosed = onClosed;
    try {
      this.watch = watch(fd, this.onReady);
    } catch (error) {
      close(fd);
      onClosed?.();
      throw error;
    }
  }

  /** Whether nothing more comes after this read of no bytes. */
  protected isEnd(): boolean {
    return false;
  }

  /** The message in the inbox, or undefined where nothing is to be delivered (yet). */
  protected take(length: number): Buffer | undefined {
    return inbox.copy(length);
  }

  /** Gives a negative errno where the kernel doesn't take it. */
  protected transmit(message: Buffer): number {
    return send(this.fd, message);
  }

  /** A failure that only the message at hand suffers from: false. Otherwise it is the socket's. */
  protected isFatal(_errno: number): boolean {
    return true;
  }

  /** What such a failure is called. */
  protected failureOf(errno: number): ProxyError {
    return systemError(this.peer, errno, 'PEER_RESET');
  }

  /** Before the descriptor is closed because of an error. */
  protected abort(): void {
    // There is nothing to tell the peer with.
  }

  /** Before the descriptor is closed, whatever for. */
  protected releasing(): void {
    // There is nothing to be read from it any more.
  }

  /** After the descriptor was closed. */
  protected released(): void {
    this.onClosed?.();
  }

  protected start(): void {
    this.reading = true;
    this.adjust();
  }

  pause(): void {
    this.reading = false;
    this.adjust();
  }

  resume(): void {
    this.reading = true;
    this.adjust();
  }

  write(message: Buffer): boolean {
    if (this.closed || this.ending) return true;
    if (this.queue !== undefined) {
      this.queue.push(message);
      return false;
    }
    if (this.deliver(message)) return true;
    this.queue = [message];
    this.adjust();
    return false;
  }

  end(): void {
    if (this.ending || this.closed) return;
    this.ending = true;
    if (this.queue === undefined) this.finishWriting();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    if (error === undefined && this.ending && this.queue !== undefined) {
      // The session is over, but what it said last isn't lost as long as the peer takes it.
      this.reading = false;
      this.adjust();
      this.linger = setTimeout(() => this.release(), LINGER);
    } else {
      if (error) this.abort();
      this.release();
    }
    this.emitClose(error);
  }

  private readonly onReady = (events: number): void => {
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && this.queue !== undefined) this.flush();
    if (this.closed) return;
    if (this.reading && !this.readEnded) this.read();
    else if (events & EPOLLHUP && this.readEnded) this.close(this.failure); // the peer is gone for good
  };

  private read(): void {
    for (let budget = READ_BUDGET; budget > 0 && this.reading && !this.readEnded; budget--) {
      const length = inbox.receive(this.fd);
      if (length < 0) {
        if (length === -EAGAIN) return;
        if (length === -EINTR || !this.isFatal(-length)) continue;
        this.failure ??= this.failureOf(-length);
        // Told first, though what the peer sent before it went can still be read (net/core/datagram.c).
        if (length === -ECONNRESET && this.halfClose) continue;
        this.close(this.failure);
        return;
      }
      if (length === 0 && this.isEnd()) {
        this.readEnded = true;
        this.sink.end();
        if (this.halfClose) this.settle();
        else this.close(this.failure); // both sides end at once
        return;
      }
      if (length > MAX_MESSAGE) {
        this.fail(`expected messages of at most ${MAX_MESSAGE} bytes, found ${length}`);
        return;
      }
      const message = this.take(length);
      if (message !== undefined) this.sink.data(message, false);
    }
  }

  /** Ends it because of a message that is too large; later, as nobody expects that while he writes. */
  protected fail(message: string): void {
    this.failLater(new ProxyError('TOO_LARGE', `${this.peer}: ${message}`));
  }

  private failLater(error: ProxyError): void {
    this.failure ??= error;
    this.ending = true;
    this.reading = false;
    this.queue = undefined;
    this.watch.rest();
    queueMicrotask(() => this.destroy(this.failure));
  }

  /** False: the kernel has no room for it now. */
  private deliver(message: Buffer): boolean {
    let result = this.transmit(message);
    if (result === -EMSGSIZE && this.reliable && growSendBuffer(this.fd, 2 * message.length)) {
      result = this.transmit(message);
    }
    if (result >= 0) return true;
    if (result === -EAGAIN) return false;
    if (result === -EMSGSIZE && this.reliable) {
      this.fail(`a message of ${message.length} bytes is larger than net.core.wmem_max allows`);
    } else if (this.isFatal(-result)) this.writeFailed(this.failureOf(-result));
    return true;
  }

  private flush(): void {
    const { queue } = this;
    if (queue === undefined) return;
    for (let sent = 0; sent < queue.length; sent++) {
      const message = queue[sent];
      if (message !== undefined && !this.deliver(message)) {
        queue.splice(0, sent);
        return;
      }
      if (this.queue === undefined) return; // it failed meanwhile
    }
    this.queue = undefined;
    if (this.linger !== undefined) {
      this.release();
      return;
    }
    this.adjust();
    if (this.ending) this.finishWriting();
    else this.sink.drain();
  }

  /** What the peer said before it went can still be read, where its end will be told. */
  private writeFailed(error: ProxyError): void {
    this.failure ??= error;
    if (this.linger !== undefined) {
      this.release();
    } else if (this.halfClose && !this.readEnded) {
      const waited = this.queue !== undefined;
      this.queue = undefined;
      this.ending = true;
      this.writeEnded = true;
      this.adjust();
      if (waited) this.sink.drain();
    } else this.failLater(error);
  }

  private finishWriting(): void {
    if (!this.halfClose) return; // there is no word for it
    shutdown(this.fd, SHUT_WR);
    this.writeEnded = true;
    this.settle();
  }

  private settle(): void {
    if (this.readEnded && this.writeEnded) this.close(this.failure);
    else this.adjust();
  }

  private close(error: ProxyError | undefined): void {
    if (this.closed) return;
    this.release();
    this.emitClose(error);
  }

  private release(): void {
    clearTimeout(this.linger);
    this.queue = undefined;
    this.watch.close();
    this.releasing();
    close(this.fd);
    this.released();
  }

  /** Asks epoll for what is wanted just now. */
  private adjust(): void {
    if (this.closed) return;
    const wanted = (this.reading && !this.readEnded ? EPOLLIN : 0) | (this.queue === undefined ? 0 : EPOLLOUT);
    if (wanted !== 0 || this.readEnded) this.watch.want(wanted);
    else this.watch.rest();
  }
}

/** Makes room in the send buffer, as far as net.core.wmem_max allows; more takes CAP_NET_ADMIN. `size`: in bytes. */
export function growSendBuffer(fd: number, size: number): boolean {
  for (const option of [SO_SNDBUFFORCE, SO_SNDBUF]) {
    try {
      setOption(fd, SOL_SOCKET, option, size);
      return true;
    } catch {
      continue;
    }
  }
  return false;
}
