/** Has sessions go on that an earlier process has left in the kernel: each by its listener, as soon as that listens. */
import { setImmediate } from 'node:timers/promises';
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

/** Gives the function that ends it: what has not gone on by then stays in the kernel. */
export function resumeSessions(successor: Successor): () => void {
  let isOver = false;
  let running = Promise.resolve();
  const run = async (): Promise<void> => {
    for (const left of successor.kept.left()) {
      if (isOver) return;
      if (resume(successor, left)) await setImmediate(); // others have their turn, too
    }
  };
  const start = (): void => void (running = running.then(run));
  const unwatch = successor.watch(start);
  start();
  return () => {
    isOver = true;
    unwatch();
  };
}

/** False: it waits. */
function resume(successor: Successor, left: LeftPair): boolean {
  const { listener: name } = left.note;
  const listener = successor.listener(name);
  if (listener === undefined && successor.isExpected(name)) return false;
  const isTaken = listener?.resume?.(left) === true;
  if (!isTaken)
    successor.kept.drop(left, listener ? `listener ${name} does not take it` : `there is no listener ${name}`);
  return true;
}
