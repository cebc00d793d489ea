/** What the store has in memory; made from the records of its file, and written to a new file as such. */
import { type Entry, StoreError } from '../../core/store.ts';
import { Entries, sizeOf } from '../memory/entries.ts';
import { type DatedChange, History, type HistoryLimits } from '../memory/history.ts';
import { readLog } from './log-file.ts';
import { encodeRecord, type FileRecord } from './records.ts';

/** How much of the entries one record of a new file has. */
const STATE_BYTES = 256 * 1024;

/** The revision of a store in which nothing was ever changed, as etcd's. */
const FIRST_REVISION = 1;

export class State {
  revision: number;
  readonly entries = new Entries();
  readonly history: History;

  constructor(limits: HistoryLimits, revision = FIRST_REVISION, compacted = revision) {
    this.revision = revision;
    this.history = new History(compacted, limits);
  }

  apply(change: DatedChange): void {
    this.revision = change.revision;
    for (const event of change.events) {
      if (event.type === 'put') this.entries.put(event.entry);
      else this.entries.delete(event.key);
    }
    this.history.add(change);
  }

  /** The records of a file that stands for this state, as of this call however late they are taken. */
  records(): Iterable<readonly Buffer[]> {
    const entries = this.entries.list('');
    const changes = this.history.all();
    const head: FileRecord = {
      kind: 'store',
      version: 1,
      revision: this.revision,
      compacted: this.history.compacted,
      entries: entries.length,
      changes: changes.length,
    };
    return encoded(head, entries, changes);
  }
}

function* encoded(head: FileRecord, entries: Entry[], changes: DatedChange[]): Generator<readonly Buffer[]> {
  yield encodeRecord(head);
  for (let start = 0; start < entries.length;) {
    let end = start;
    for (let bytes = 0; bytes < STATE_BYTES; end++) {
      const entry = entries[end];
      if (!entry) break;
      bytes += sizeOf(entry);
    }
    yield encodeRecord({ kind: 'state', entries: entries.slice(start, end) });
    start = end;
  }
  for (const change of changes) yield encodeRecord({ kind: 'change', change });
}

/**
 * The state that a file has, and up to where the file is good.
 *
 * @throws StoreError `CORRUPT`.
 */
export function loadState(path: string, limits: HistoryLimits): { readonly state: State; readonly size: number } {
  const loader = new Loader(path, limits);
  const size = readLog(path, (record) => loader.add(record));
  return { state: loader.finish(), size };
}

class Loader {
  readonly #path: string;
  readonly #limits: HistoryLimits;
  #state: State | undefined;
  /** Parts of the state that are still to come. */
  #entries = 0;
  #changes = 0;
  /** The revision of the last change that was read. */
  #last = 0;

  constructor(path: string, limits: HistoryLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  add(record: FileRecord): void {
    if (record.kind === 'store') {
      if (this.#state || (record.version as number) !== 1) {
        const found = this.#state ? 'another head' : `version ${JSON.stringify(record.version)}`;
        throw this.#corrupt('one head, of version 1 of the format', found);
      }
      this.#state = new State(this.#limits, record.revision, record.compacted);
      this.#entries = record.entries;
      this.#changes = record.changes;
      this.#last = record.compacted;
      return;
    }
    const state = this.#state;
    if (!state) throw this.#corrupt('the head of a store', `a record of kind ${JSON.stringify(record.kind)}`);
    if (record.kind === 'state') {
      for (const entry of record.entries) state.entries.put(entry);
      this.#entries -= record.entries.length;
    } else if (record.kind === 'compact') {
      state.history.compact(record.revision);
    } else {
      if (record.change.revision !== this.#last + 1) {
        throw this.#corrupt(`revision ${this.#last + 1}`, `${record.change.revision}`);
      }
      this.#last += 1;
      // The state of a rewritten file has these changes already.
      if (this.#changes > 0) {
        state.history.add(record.change);
        this.#changes -= 1;
      } else {
        state.apply(record.change);
      }
    }
  }

  finish(): State {
    if (!this.#state) throw this.#corrupt('the head of a store', 'no record');
    if (this.#entries > 0 || this.#changes > 0) {
      const left = `${this.#entries} entries and ${this.#changes} changes`;
      throw this.#corrupt(`${left} more of its state`, 'its end');
    }
    return this.#state;
  }

  #corrupt(expected: string, found: string): StoreError {
    return new StoreError(
      'CORRUPT',
      `${this.#path} is no whole store: expected ${expected}, found ${found}; restore a backup into a new directory`,
    );
  }
}
