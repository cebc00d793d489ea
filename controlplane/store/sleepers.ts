/** Those who wait for something to happen in a store. */

export class Sleepers {
  readonly #sleeping = new Set<() => void>();

  /** Resolves when they are woken, or when the signal aborts. */
  sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#sleeping.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#sleeping.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  wake(): void {
    for (const done of [...this.#sleeping]) done();
  }
}
