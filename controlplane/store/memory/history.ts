/** The last changes, for watches: bounded by count, age and bytes. */
import type { StoreChange, StoreEvent } from '../../core/store.ts';
import { sizeOf } from './entries.ts';

export interface HistoryLimits {
  /** How many changes are kept at most. */
  readonly changes: number;
  /** For how long a change is kept at most, in ms; looked at as others come. */
  readonly ageMs: number;
  /** How many bytes of changes are kept at most. */
  readonly bytes: number;
}

/** A change and when it was made, in ms since 1970. */
export interface DatedChange extends StoreChange {
  readonly time: number;
}

export class History {
  /** Changes up to this revision are not kept. */
  compacted: number;
  bytes = 0;
  readonly #limits: HistoryLimits;
  /** Every revision after `compacted`, from `#first` on; nothing before. */
  #changes: (DatedChange | undefined)[] = [];
  #first = 0;

  constructor(compacted: number, limits: HistoryLimits) {
    this.compacted = compacted;
    this.#limits = limits;
  }

  get size(): number {
    return this.#changes.length - this.#first;
  }

  /** The next after a revision that is not compacted; undefined: there is none yet. */
  after(revision: number): DatedChange | undefined {
    return this.#changes[this.#first + Math.max(0, revision - this.compacted)];
  }

  all(): DatedChange[] {
    return this.#changes.slice(this.#first).filter((change) => change !== undefined);
  }

  add(change: DatedChange): void {
    this.#changes.push(change);
    this.bytes += bytesOf(change);
    const { changes, ageMs, bytes } = this.#limits;
    for (;;) {
      const oldest = this.#changes[this.#first];
      if (!oldest || (this.size <= changes && this.bytes <= bytes && change.time - oldest.time <= ageMs)) return;
      this.#drop(oldest);
    }
  }

  /** Forgets changes up to a revision. */
  compact(revision: number): void {
    for (;;) {
      const oldest = this.#changes[this.#first];
      if (!oldest || oldest.revision > revision) return;
      this.#drop(oldest);
    }
  }

  #drop(oldest: DatedChange): void {
    this.compacted = oldest.revision;
    this.bytes -= bytesOf(oldest);
    this.#changes[this.#first] = undefined;
    this.#first += 1;
    // The array is not moved for each of them.
    if (this.#first > 1024 && this.#first > this.size) {
      this.#changes = this.#changes.slice(this.#first);
      this.#first = 0;
    }
  }
}

function bytesOf(change: StoreChange): number {
  let bytes = 0;
  for (const event of change.events)
    bytes += event.type === 'put' ? sizeOf(event.entry) : 2 * Buffer.byteLength(event.key);
  return bytes;
}

/** The events of keys under a prefix. */
export function changesUnder(prefix: string, events: readonly StoreEvent[]): readonly StoreEvent[] {
  return events.filter((event) => (event.type === 'put' ? event.entry.key : event.key).startsWith(prefix));
}
