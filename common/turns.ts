/** Work of which only so much is done at once; the rest waits for its turn, in order. */

export interface TurnsOptions {
  /** What is done at once. */
  readonly atOnce: number;
  /** What may wait beside it. */
  readonly waiting: number;
}

/** Gives what does work in its turn. It throws RangeError where too much waits; otherwise what the work does. */
export function createTurns({ atOnce, waiting }: TurnsOptions): <T>(work: () => Promise<T>) => Promise<T> {
  const line: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= atOnce) {
      if (line.length >= waiting) throw new RangeError(`expected at most ${waiting} to wait, found ${line.length}`);
      await new Promise<void>((resolve) => line.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      // Its turn is the next one's.
      const next = line.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
