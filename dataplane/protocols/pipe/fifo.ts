/** Opens named pipes without blocking anyone: on opening, a FIFO's writer waits for a reader, and a reader for a writer. */
import { execFile } from 'node:child_process';
import { close, constants, lstat, open as openCallback } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import { ProxyError } from '../../core/errors.ts';

const run = promisify(execFile);
const openFile = promisify(openCallback);
const closeFile = promisify(close);
const stat = promisify(lstat);

/** How often a FIFO that has no reader yet is tried again, in ms. */
const RETRY = 20;

/** Makes the FIFO where there is nothing. @throws ProxyError where there is something else. */
export async function ensureFifo(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFIFO()) return;
  } catch {
    // Node.js has no call for it; mkfifo(1) is in every system's core.
    await run('mkfifo', ['--', path]).catch((error: unknown) => {
      throw ProxyError.from(error, 'NOT_FOUND');
    });
    return;
  }
  throw new ProxyError('ADDRESS_IN_USE', `expected a named pipe or nothing at ${path}, found another file`);
}

/**
 * The reading end. It is open before there is a writer, so it must not read before one comes: an end would be read.
 * A writer of our own would keep that from happening, and would keep the end of the last real one from being seen.
 */
export async function openReader(path: string, signal: AbortSignal): Promise<Socket> {
  // Opening in the thread pool blocks a thread until a writer comes; a writer of our own unblocks it on abort.
  const opening = openFile(path, constants.O_RDONLY);
  const unblock = (): void => {
    void openFile(path, constants.O_RDWR | constants.O_NONBLOCK).then(closeFile, () => undefined);
  };
  signal.addEventListener('abort', unblock, { once: true });
  const fd = await opening;
  signal.removeEventListener('abort', unblock);
  if (signal.aborted) {
    await closeFile(fd);
    throw ProxyError.from(signal.reason);
  }
  return new Socket({ fd, readable: true, writable: false });
}

/** The writing end, as soon as there is a reader. */
export async function openWriter(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    if (signal.aborted) throw ProxyError.from(signal.reason);
    try {
      const fd = await openFile(path, constants.O_WRONLY | constants.O_NONBLOCK);
      return new Socket({ fd, readable: false, writable: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw ProxyError.from(error); // no reader yet
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}
