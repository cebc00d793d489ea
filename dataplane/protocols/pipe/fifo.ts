/** Opens named pipes without blocking anyone: on opening, a FIFO's writer waits for a reader, and a reader for a writer. */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyError } from '../../../common/errors.ts';
import { EAGAIN, EEXIST, hasHungUp, makeFifo, read, systemError } from '../../sockets/native/libc.ts';
import { OpenWatch } from './open-watch.ts';

/** The most that is read to see whether there is a writer, in bytes: what a pipe holds (pipe(7)). */
const FIRST_READ = 64 * 1024;

/** How often a FIFO that has no reader yet is tried again, in ms. */
const RETRY = 10;

/** Makes the FIFO where there is nothing. @throws ProxyError `ADDRESS_IN_USE` where there is something else. */
export function ensureFifo(path: string): void {
  const result = makeFifo(path);
  if (result < 0 && result !== -EEXIST) throw systemError(`mkfifo ${path}`, -result);
  if (!statSync(path).isFIFO()) throw notFifo(path);
}

function notFifo(path: string): ProxyError {
  return new ProxyError('ADDRESS_IN_USE', `expected a named pipe or nothing at ${path}, found another file`);
}

/** @throws Error as Node.js has it, and ProxyError where it is no FIFO. */
function open(path: string, access: number): number {
  const fd = openSync(path, access | constants.O_NONBLOCK);
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw notFifo(path);
}

/**
 * The writing end, as soon as there is a reader. It is tried again and again: a reader that waits for a writer to come
 * has not opened the FIFO yet, as far as inotify knows.
 *
 * @throws ProxyError, also where `signal` aborts.
 */
export async function openWriter(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    if (signal.aborted) throw ProxyError.from(signal.reason, 'CONNECT_FAILED');
    try {
      return new Socket({ fd: open(path, constants.O_WRONLY), readable: false, writable: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw ProxyError.from(error); // ENXIO: no reader yet
    }
    await sleep(RETRY, undefined, { signal }).catch(() => undefined);
  }
}

/** A reading end that has a writer, and what was read to see that. */
export interface Opened {
  readonly reader: Socket;
  readonly head: Buffer | undefined;
}

/**
 * Waits for writers of a FIFO, one after the other. It keeps a reading end open, so that what a writer leaves between
 * two sessions isn't lost.
 */
export class WriterWatch {
  private readonly path: string;
  private fd: number;
  private readonly watch: OpenWatch;
  private readonly data = Buffer.alloc(FIRST_READ);

  /** @throws ProxyError */
  constructor(path: string) {
    this.path = path;
    this.watch = new OpenWatch(path);
    try {
      this.fd = open(path, constants.O_RDONLY);
    } catch (error) {
      this.watch.close();
      throw ProxyError.from(error);
    }
  }

  /**
   * `fleeting`: whether a writer counts that came and went without a byte. Where sessions follow each other, that is no
   * session of its own: it may have written into the one before.
   *
   * @throws ProxyError `NOT_FOUND` where the FIFO was removed or replaced, and the reason where `signal` aborts.
   */
  async next(signal: AbortSignal, { fleeting = false } = {}): Promise<Opened> {
    for (;;) {
      if (signal.aborted) throw ProxyError.from(signal.reason);
      this.checkPlace();
      // Without a writer a read ends at once; with one that says nothing it would block.
      const length = read(this.fd, this.data);
      if (length > 0 || length === -EAGAIN) {
        const head = length > 0 ? Buffer.from(this.data.subarray(0, length)) : undefined;
        return { reader: this.takeReader(), head };
      }
      if (length < 0) throw systemError(`read ${this.path}`, -length);
      // A descriptor hangs up when there has been a writer since it was opened (fs/pipe.c, pipe_poll).
      if (fleeting && hasHungUp(this.fd)) return { reader: this.takeReader(), head: undefined };
      await this.watch.next(signal);
    }
  }

  close(): void {
    this.watch.close();
    closeSync(this.fd);
  }

  /**
   * The descriptor that was open before the writer came: epoll tells it of the writer's end, though it may have gone
   * already; one that is opened after that waits for another writer first (fs/pipe.c, pipe_poll).
   */
  private takeReader(): Socket {
    const { fd } = this;
    this.fd = open(this.path, constants.O_RDONLY);
    return new Socket({ fd, readable: true, writable: false });
  }

  private checkPlace(): void {
    const found = statSync(this.path, { throwIfNoEntry: false });
    const own = fstatSync(this.fd);
    if (found?.ino === own.ino && found.dev === own.dev) return;
    throw new ProxyError('NOT_FOUND', `the named pipe ${this.path} was removed or replaced`);
  }
}
