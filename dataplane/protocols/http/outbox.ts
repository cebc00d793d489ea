/** What one turn of the event loop writes to a socket goes out in one system call. */
import type { Duplex } from 'node:stream';

/** More than this is written at once. */
const FLUSH_AT = 16 * 1024;

export class Outbox {
  private readonly socket: Duplex;
  private parts: (string | Buffer)[] = [];
  private size = 0;

  constructor(socket: Duplex) {
    this.socket = socket;
  }

  /** Text is Latin-1, as heads are. False: wait for the socket's `drain`. */
  write(part: string | Buffer): boolean {
    if (this.size === 0) queueMicrotask(this.flush);
    this.parts.push(part);
    this.size += part.length;
    if (this.size >= FLUSH_AT) this.flush();
    return !this.socket.writableNeedDrain;
  }

  /** Writes what is gathered. */
  readonly flush = (): void => {
    const { parts, size, socket } = this;
    if (size === 0) return;
    this.parts = [];
    this.size = 0;
    if (socket.destroyed || socket.writableEnded) return;
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) {
      if (typeof first === 'string') socket.write(first, 'latin1');
      else socket.write(first);
      return;
    }
    if (size > FLUSH_AT * 2) {
      socket.cork();
      for (const part of parts) {
        if (typeof part === 'string') socket.write(part, 'latin1');
        else socket.write(part);
      }
      socket.uncork();
      return;
    }
    const joined = Buffer.allocUnsafe(size);
    let at = 0;
    for (const part of parts) at += typeof part === 'string' ? joined.write(part, at, 'latin1') : part.copy(joined, at);
    socket.write(joined);
  };

  end(): void {
    this.flush();
    this.socket.end();
  }
}
