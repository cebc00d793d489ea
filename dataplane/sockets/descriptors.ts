/**
 * Connections that come when the process has hardly a descriptor left. When there is none at all, Node.js closes them
 * without a word to anybody; so the last few are kept back, and whoever would take one of them is refused aloud.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ProxyError } from '../../common/errors.ts';

/** Descriptors that no client's connection takes. */
const RESERVE = 4;
/** How old the limit may be that somebody is refused by, in ms: it can be changed from outside (prlimit). */
const MAX_AGE = 1000;

let limit = 0;
let readAt = -Infinity;

/** Destroys a connection that was just accepted and has one of the last descriptors; gives why, or undefined. */
export function refuseLast(socket: Socket): ProxyError | undefined {
  const fd = (Reflect.get(socket, '_handle') as { readonly fd?: number } | null)?.fd ?? -1;
  const shortage = shortageAt(fd);
  if (shortage) socket.destroy();
  return shortage;
}

/** Why a connection can't keep this descriptor, where it is one of the last. */
export function shortageAt(fd: number): ProxyError | undefined {
  // The system gives the lowest number that is free: a high one says that all below are taken.
  if (fd < limit - RESERVE) return undefined;
  const now = performance.now();
  if (now - readAt >= MAX_AGE) {
    readAt = now;
    limit = readLimit();
    if (fd < limit - RESERVE) return undefined;
  }
  return new ProxyError('NO_DESCRIPTORS', `all but ${RESERVE} of the ${limit} descriptors are taken (ulimit -n)`);
}

function readLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return limit > 0 ? limit : Infinity; // no descriptor to read it by: what was known holds
  }
}
