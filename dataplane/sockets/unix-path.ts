/** Paths of UNIX sockets: abstract names, stale files, permissions. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { ProxyError } from '../core/errors.ts';

/** As system calls want it: a leading `@` is the abstract name space (unix(7)). */
export function systemPath(path: string): string {
  return path.startsWith('@') ? `\0${path.slice(1)}` : path;
}

/** The longest path that a socket address holds, in bytes (unix(7): 108 with its end). */
const MAX_PATH = 107;

/** @throws ProxyError `INVALID_CONFIG` where the path doesn't fit a socket address. */
export function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > 0 && length <= MAX_PATH && !path.includes('\0')) return;
  throw new ProxyError('INVALID_CONFIG', `expected a path of 1 to ${MAX_PATH} bytes, found ${length}`);
}

/**
 * Makes way for a socket: removes the file that a dead process left. `isAlive` asks whether somebody listens there.
 *
 * @throws ProxyError `ADDRESS_IN_USE` where somebody does, or where the file is no socket.
 */
export async function claimPath(path: string, isAlive: (path: string) => Promise<boolean>): Promise<void> {
  if (path.startsWith('@')) return;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new ProxyError('ADDRESS_IN_USE', `expected nothing or a socket at ${path}, found another file`);
  if (await isAlive(path)) throw new ProxyError('ADDRESS_IN_USE', `somebody listens on ${path}`);
  unlinkSync(path);
}

/** Whether a stream socket is listened on. */
export function isStreamAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A backlog that is full is somebody's, too.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  });
}

/** `0660` in octal. @throws ProxyError `INVALID_CONFIG` */
export function setMode(path: string, mode: string | undefined): void {
  if (mode === undefined || path.startsWith('@')) return;
  if (!/^[0-7]{3,4}$/u.test(mode)) throw new ProxyError('INVALID_CONFIG', `expected a mode as in 0660, found ${mode}`);
  chmodSync(path, parseInt(mode, 8));
}
