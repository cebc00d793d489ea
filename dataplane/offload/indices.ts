/** Indices of a table: each rests for a while before it is used anew. */

/** In ms: a program that found an index before it was freed is done with it by then. */
const REST_MS = 500;

export class Indices {
  private readonly capacity: number;
  private readonly free: number[] = [];
  private resting: { readonly index: number; readonly since: number }[] = [];
  /** From here on they have never been used. */
  used = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Undefined where all are taken. */
  take(): number | undefined {
    const isRested = performance.now() - REST_MS;
    while (this.resting[0] && this.resting[0].since < isRested) this.free.push(this.resting.shift()?.index ?? 0);
    return this.free.pop() ?? (this.used < this.capacity ? this.used++ : undefined);
  }

  /** These are taken already; nothing was taken before. */
  resume(taken: ReadonlySet<number>): void {
    for (const index of taken) this.used = Math.max(this.used, index + 1);
    for (let index = 0; index < this.used; index++) if (!taken.has(index)) this.retire(index);
  }

  retire(index: number): void {
    this.resting.push({ index, since: performance.now() });
  }
}
