/** Has sessions go on that an earlier process has left in the kernel: each by its listener, as soon as that listens. */
import { setImmediate } from 'node:timers/promises';
import { ProxyError } from '../common/errors.ts';
import type { KeptSessions } from './core/kernel-path.ts';
import type { LeftPair } from './core/offload.ts';
import type { Listener } from './core/protocol.ts';

export interface Successor {
  readonly kept: KeptSessions;
  /** One that listens. */
  listener(name: string): Listener | undefined;
  /** Whether one that doesn't listen may yet. */
  isExpected(listener: string): boolean;
  /** Calls after each change of that; gives the function that ends it. */
  watch(changed: () => void): () => void;
}

/** How long one may wait for its listener while nothing of it passes, in ms. */
const PATIENCE = 60_000;

/** How often those are looked at that wait, in ms. */
const INTERVAL = 5000;

/** Gives the function that ends it: what has not gone on by then stays in the kernel. */
export function resumeSessions(successor: Successor, patience = PATIENCE, interval = INTERVAL): () => void {
  const { kept } = successor;
  const startedAt = performance.now();
  let isOver = false;
  let running = Promise.resolve();
  const end = (): void => {
    isOver = true;
    clearInterval(timer);
    unwatch();
  };
  const isSilent = ({ traffic: { lastSeen = -Infinity } }: LeftPair): boolean =>
    performance.now() - Math.max(lastSeen, startedAt) >= patience;
  const run = async (): Promise<void> => {
    const all = isOver ? [] : kept.left();
    if (all.length === 0 && !isOver) end();
    for (const left of all) {
      if (isOver) return;
      if (resume(successor, left))
        await setImmediate(); // others have their turn, too
      else if (isSilent(left))
        kept.drop(left, `nothing has passed for ${patience / 1000} s, and its listener does not listen`);
    }
  };
  const start = (): void => void (running = running.then(run));
  const unwatch = successor.watch(start);
  const timer = setInterval(start, interval).unref();
  start();
  return end;
}

/** False: it waits. */
function resume(successor: Successor, left: LeftPair): boolean {
  const { kept } = successor;
  const { listener: name } = left.note;
  const listener = successor.listener(name);
  if (listener === undefined && successor.isExpected(name)) return false;
  try {
    const isTaken = listener?.resume?.(left) === true;
    if (!isTaken) kept.drop(left, listener ? `listener ${name} does not take it` : `there is no listener ${name}`);
  } catch (error) {
    kept.drop(left, ProxyError.from(error).message);
  }
  return true;
}
