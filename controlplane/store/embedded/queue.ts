/** Writes that wait for the disk: taken in groups, so that many share one flush; bounded. */
import { StoreError } from '../../core/store.ts';
import type { Planner } from '../memory/plan.ts';
import type { FileRecord } from './records.ts';

/** What becomes of a write: a record, or none; `settle` tells its caller once all before it and it are on the disk. */
export interface Plan {
  readonly record?: FileRecord;
  readonly settle: () => void;
}

export interface Write {
  /** @throws StoreError where it can't be made. */
  readonly plan: (planner: Planner) => Plan;
  readonly reject: (error: unknown) => void;
  /** What it takes, about. */
  readonly bytes: number;
}

/** What may wait, in bytes and in number. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
const MAX_WAITING = 100_000;
/** What is written at once, but for one that is larger. */
const GROUP_BYTES = 4 * 1024 * 1024;

export class WriteQueue {
  #writes: Write[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** @throws StoreError `UNAVAILABLE` where too many wait. */
  push(write: Write): void {
    if (!this.isEmpty && (this.#writes.length >= MAX_WAITING || this.#bytes + write.bytes > MAX_WAITING_BYTES)) {
      throw new StoreError(
        'UNAVAILABLE',
        `${this.#writes.length} writes wait for the disk already: nothing was changed`,
      );
    }
    this.#writes.push(write);
    this.#bytes += write.bytes;
  }

  /** The next group; at least one where there are any. */
  take(): Write[] {
    let count = 0;
    let bytes = 0;
    for (const write of this.#writes) {
      bytes += write.bytes;
      if (count > 0 && bytes > GROUP_BYTES) break;
      count += 1;
    }
    const group = this.#writes.slice(0, count);
    this.#writes = this.#writes.slice(count);
    for (const write of group) this.#bytes -= write.bytes;
    return group;
  }
}
