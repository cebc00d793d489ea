/** One after the other; and readings that share what is asked. */

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** After all that came before. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Whoever calls while it runs waits for one that begins after the call: that one is shared. */
export class Shared {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  run(): Promise<void> {
    if (!this.#running) return (this.#running = this.#start());
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return (this.#running = this.#start());
      });
    return this.#next;
  }

  async #start(): Promise<void> {
    try {
      // Those of one turn of the event loop share it from the start on.
      await Promise.resolve();
      await this.#work();
    } finally {
      this.#running = undefined;
    }
  }
}
