/** Makes, binds and connects UNIX sockets of every type, abstract names included (unix(7)). */
import { chmodSync, fchmodSync, lstatSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyError } from '../../../common/errors.ts';
import { claimPath, parseMode } from '../unix-path.ts';
import { AF_UNIX, bind, close, connect, EAGAIN, EINTR, socket, systemError } from './libc.ts';
import { encodeUnix } from './sockaddr.ts';

/** What a byte stream is cut into: fits the send buffer that a socket begins with (net.core.wmem_default). */
export const MAX_UNIX_DATAGRAM = 64 * 1024;

/** Between two attempts to connect to a socket whose backlog is full, in ms: the kernel doesn't say when it has room. */
const RETRY = 5;

/** A socket with a name. */
export interface BoundSocket {
  readonly fd: number;
  /** Removes its file, if it is still its own. */
  readonly unlink: () => void;
}

/**
 * Binds a socket to a path, or, with `@`, to an abstract name. A file that a dead process left makes way.
 *
 * @param mode permissions in octal, in force from the first moment; the umask's where absent.
 * @throws ProxyError `ADDRESS_IN_USE`, `INVALID_CONFIG`, `PERMISSION_DENIED`, `NOT_FOUND` (the directory)
 */
export async function bindUnix(type: number, path: string, mode?: string): Promise<BoundSocket> {
  const address = encodeUnix(path);
  const permissions = parseMode(mode);
  await claimPath(path);
  const fd = socket(AF_UNIX, type);
  try {
    // The file gets the socket's own mode, less the umask (net/unix/af_unix.c, unix_bind_bsd).
    if (permissions !== undefined) fchmodSync(fd, permissions);
    bind(fd, address, path);
    return { fd, unlink: path.startsWith('@') ? () => undefined : ownFile(path, permissions) };
  } catch (error) {
    close(fd);
    throw ProxyError.from(error);
  }
}

/** Gives the file of a new socket its permissions, and how to remove it. */
function ownFile(path: string, permissions: number | undefined): () => void {
  const { ino, dev } = lstatSync(path);
  const unlink = (): void => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.ino === ino && found.dev === dev) unlinkSync(path);
  };
  try {
    if (permissions !== undefined) chmodSync(path, permissions);
  } catch (error) {
    unlink();
    throw error;
  }
  return unlink;
}

/** Connects `fd`, which it closes where that fails. @throws ProxyError, also where `signal` aborts. */
export async function connectUnix(fd: number, path: string, signal: AbortSignal): Promise<void> {
  try {
    const address = encodeUnix(path);
    for (;;) {
      if (signal.aborted) throw ProxyError.from(signal.reason, 'CONNECT_FAILED');
      const result = connect(fd, address);
      if (result === 0) return;
      if (result === -EAGAIN) await sleep(RETRY);
      else if (result !== -EINTR) throw systemError(`connecting to ${path}`, -result, 'CONNECT_FAILED');
    }
  } catch (error) {
    close(fd);
    throw error;
  }
}
