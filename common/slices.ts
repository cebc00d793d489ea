/** Long work in slices of a few milliseconds, so that whatever else waits has its turn in between. */
import { setImmediate } from 'node:timers/promises';

const SLICE_MS = 4;

/** `if (slices.isOver) await slices.next();` in a loop: little work is done in one go, as it was without. */
export class Slices {
  private end = performance.now() + SLICE_MS;

  get isOver(): boolean {
    return performance.now() >= this.end;
  }

  /** Lets others have their turn, and begins the next slice. */
  async next(): Promise<void> {
    await setImmediate();
    this.end = performance.now() + SLICE_MS;
  }
}
