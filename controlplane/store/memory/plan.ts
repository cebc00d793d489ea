/** What writes come to, one after the other, before any of it is kept. */
import { type Condition, type Entry, type Operation, type StoreEvent, StoreError } from '../../core/store.ts';
import { type Entries, sizeOf } from './entries.ts';
import type { DatedChange } from './history.ts';

/** What a write sees: the entries as those before it in its group leave them. */
export interface Planner {
  readonly revision: number;
  get(key: string): Entry | undefined;
  keys(): Iterable<string>;
}

/** All entries as of a revision. */
export interface Base {
  readonly revision: number;
  readonly entries: Entries;
}

/** A state with the changes of a group on top of it. */
export class Overlay implements Planner {
  revision: number;
  readonly #state: Base;
  readonly #quotaBytes: number;
  readonly #changed = new Map<string, Entry | undefined>();
  #bytes: number;

  constructor(state: Base, quotaBytes: number) {
    this.#state = state;
    this.#quotaBytes = quotaBytes;
    this.revision = state.revision;
    this.#bytes = state.entries.bytes;
  }

  get(key: string): Entry | undefined {
    return this.#changed.has(key) ? this.#changed.get(key) : this.#state.entries.get(key);
  }

  *keys(): Iterable<string> {
    for (const { key } of this.#state.entries.list('')) if (!this.#changed.has(key)) yield key;
    for (const [key, entry] of this.#changed) if (entry) yield key;
  }

  /** @throws StoreError `FULL` where it grows beyond the quota: then it is not added. */
  add(change: DatedChange): void {
    let growth = 0;
    for (const event of change.events) {
      const old = this.get(event.type === 'put' ? event.entry.key : event.key);
      growth += (event.type === 'put' ? sizeOf(event.entry) : 0) - (old ? sizeOf(old) : 0);
    }
    if (growth > 0 && this.#bytes + growth > this.#quotaBytes) {
      const found = `it has ${this.#bytes}, and this takes ${growth} more: nothing was changed`;
      throw new StoreError('FULL', `the store takes at most ${this.#quotaBytes} bytes, ${found}`);
    }
    this.#bytes += growth;
    this.revision = change.revision;
    for (const event of change.events) {
      if (event.type === 'put') this.#changed.set(event.entry.key, event.entry);
      else this.#changed.set(event.key, undefined);
    }
  }
}

/** The keys whose conditions don't hold. */
export function failedConditions(planner: Planner, conditions: readonly Condition[]): string[] {
  return conditions
    .filter(({ key, modRevision }) => (planner.get(key)?.modRevision ?? 0) !== modRevision)
    .map(({ key }) => key);
}

/** The change that operations make; undefined: they change nothing. */
export function changeOf(planner: Planner, operations: readonly Operation[]): DatedChange | undefined {
  const revision = planner.revision + 1;
  const events = operations.flatMap((operation): StoreEvent[] => {
    const { type, key } = operation;
    const old = planner.get(key);
    if (type === 'delete') return old ? [{ type, key, modRevision: revision }] : [];
    const createRevision = old?.createRevision ?? revision;
    return [{ type, entry: { key, value: operation.value, createRevision, modRevision: revision } }];
  });
  return events.length === 0 ? undefined : { revision, time: Date.now(), events };
}

/** What puts these in the place of all that is there. */
export function replacement(planner: Planner, entries: readonly Pick<Entry, 'key' | 'value'>[]): Operation[] {
  const kept = new Set(entries.map(({ key }) => key));
  const deleted = [...planner.keys()].filter((key) => !kept.has(key));
  return [
    ...deleted.map((key): Operation => ({ type: 'delete', key })),
    ...entries.map(({ key, value }): Operation => ({ type: 'put', key, value })),
  ];
}
