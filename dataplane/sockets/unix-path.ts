/** Paths of UNIX sockets: abstract names, stale files, permissions. */
import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { ProxyError } from '../../common/errors.ts';

/** The longest path that a socket address holds, in bytes (unix(7): 108 with its end). */
const MAX_PATH = 107;

/** @throws ProxyError `INVALID_CONFIG` where the path doesn't fit a socket address. */
export function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > 0 && length <= MAX_PATH && !path.includes('\0')) return;
  throw new ProxyError('INVALID_CONFIG', `expected a path of 1 to ${MAX_PATH} bytes, found ${length}`);
}

/**
 * Makes way for a socket: removes the file that a dead process left.
 *
 * @throws ProxyError `ADDRESS_IN_USE` where the socket is somebody's, or where the file is no socket; `NOT_FOUND` where
 * there is no directory for it.
 */
export async function claimPath(path: string): Promise<void> {
  if (path.startsWith('@')) return;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    const directory = dirname(path);
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
    throw new ProxyError('NOT_FOUND', `expected the directory ${directory} for the socket ${path}, found none`);
  }
  if (!found.isSocket()) {
    throw new ProxyError('ADDRESS_IN_USE', `expected nothing or a socket at ${path}, found another file`);
  }
  if (await isAlive(path)) throw new ProxyError('ADDRESS_IN_USE', `another process has the socket ${path}`);
  unlinkSync(path);
}

/** Whether a process has the socket, of whatever type: only where none has is the connection refused. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Of another type (EPROTOTYPE), with a backlog that is full (EAGAIN), not for us (EACCES): somebody's all the same.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

/** `0660` as a number. @throws ProxyError `INVALID_CONFIG` */
export function parseMode(mode: string | undefined): number | undefined {
  if (mode === undefined) return undefined;
  if (/^[0-7]{3,4}$/u.test(mode)) return parseInt(mode, 8);
  throw new ProxyError('INVALID_CONFIG', `expected a mode in octal, as in 0660, found "${mode}"`);
}
