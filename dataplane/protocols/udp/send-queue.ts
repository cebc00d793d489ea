/** How full a UDP socket is, looked at now and then: the look costs as much as a part of the sending. */
import type { Socket } from 'node:dgram';
import { ProxyError } from '../../../common/errors.ts';
import type { Writer } from './socket.ts';

/** Bytes that may wait in a socket before its writers are asked to wait. */
const LIMIT = 256 * 1024;

/** One in so many datagrams (a power of two) is sent with a callback, and the socket is looked at then. */
const INTERVAL = 64;

/**
 * Datagrams go out at once, unless the kernel has no room; then libuv queues them without a limit. The first datagram,
 * and every 64th, are sent with `callbackFor`, which finds out; while the socket is full, all are.
 */
export class SendQueue {
  private readonly socket: Socket;
  private sent = 0;
  private full = false;
  private readonly waiting = new Set<Writer>();

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Asked before each datagram: whether it is to be sent with `callbackFor`. */
  get due(): boolean {
    return (this.sent++ & (INTERVAL - 1)) === 0 || this.full;
  }

  callbackFor(writer: Writer): (error: Error | null) => void {
    return (error) => {
      if (error) writer.failed(ProxyError.from(error, 'PEER_RESET'));
      if (this.full && this.size < LIMIT / 2) this.drain();
    };
  }

  /** Asked after a datagram that was due; false: the writer is told when there is room again. */
  hasRoom(writer: Writer): boolean {
    if (this.size >= LIMIT) this.full = true;
    if (this.full) this.waiting.add(writer);
    return !this.full;
  }

  /** A writer is gone. */
  leave(writer: Writer): void {
    this.waiting.delete(writer);
  }

  private drain(): void {
    this.full = false;
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const writer of waiting) writer.drained();
  }

  private get size(): number {
    try {
      return this.socket.getSendQueueSize();
    } catch {
      return 0; // closed meanwhile
    }
  }
}
