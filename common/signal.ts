/** Waiting that ends when a signal aborts. */

/** Asked anew: it may have aborted while something was awaited, which the compiler does not know. */
export function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves after a time, or when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
