/** What nobody caught ends the process, unless it is a plugin's. */

/** Who may take what was thrown. */
export interface Taker {
  takes(cause: unknown): boolean;
}

/** Listens from now on, where there is anybody who may take it. Gives what ends that. */
export function catchFor(takers: Iterable<Taker>): () => void {
  const all = [...takers];
  const onUncaught = (cause: unknown): void => {
    if (all.some((taker) => taker.takes(cause))) return;
    // As if nobody listened: Node.js prints it, and exits.
    stop();
    process.nextTick(() => {
      throw cause;
    });
  };
  const stop = (): void => void process.off('uncaughtException', onUncaught);
  if (all.length > 0) process.on('uncaughtException', onUncaught);
  return stop;
}
