/** Everything by turns, some at a time. */
export class Turns<T> {
  private queue: T[] = [];

  /** The next `count`, of `all` once all of before had their turn. */
  next(all: Iterable<T>, count: number): readonly T[] {
    if (this.queue.length === 0) this.queue = [...all];
    return this.queue.splice(0, count);
  }
}
