/** A store in memory, as core/store.ts says: conditions, revisions, whole changes to watchers, compaction. */
import {
  type Condition,
  type Entry,
  type Listing,
  type Operation,
  type Outcome,
  type Store,
  type StoreChange,
  StoreError,
  type StoreEvent,
} from '../../controlplane/core/store.ts';

/** What several replicas share: each has a store of its own on it. */
export class MemoryDisk {
  entries = new Map<string, Entry>();
  changes: StoreChange[] = [];
  revision = 0;
  compacted = 0;
  /** Called with each change. */
  readonly watchers = new Set<() => void>();
  /** Who wants to lead, the first one does. */
  readonly candidates: { readonly name: string; readonly onChange: (leads: boolean) => void }[] = [];
  transactions = 0;
  /** Replicas that say that they live. */
  readonly present = new Set<string>();
}

export class MemoryStore implements Store {
  readonly disk: MemoryDisk;
  private readonly closed = new AbortController();
  /** What the next transactions throw. */
  failure: StoreError | undefined;
  /** What a transaction may have at most, with its keys and values; absent: any. */
  most: { readonly operations: number; readonly bytes: number } | undefined;

  /** As `Store.presence`; `signs` has a sign of each replica come as often as it is called. */
  readonly presence?: Store['presence'];

  constructor(disk = new MemoryDisk(), signs?: Set<() => void>) {
    this.disk = disk;
    if (!signs) return;
    this.presence = async (id, onSign, signal) => {
      const hear = (): void => [...disk.present].forEach((each) => each !== id && onSign(each, Date.now()));
      disk.present.add(id);
      signs.add(hear);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signs.delete(hear);
      disk.present.delete(id);
    };
  }

  revision(): Promise<number> {
    return Promise.resolve(this.disk.revision);
  }

  get(key: string): Promise<Entry | undefined> {
    return Promise.resolve(this.disk.entries.get(key));
  }

  list(prefix: string): Promise<Listing> {
    const { entries, revision } = this.disk;
    const found = [...entries.values()].filter(({ key }) => key.startsWith(prefix));
    found.sort((one, other) => Buffer.compare(Buffer.from(one.key), Buffer.from(other.key)));
    return Promise.resolve({ entries: found, revision });
  }

  async transact(conditions: readonly Condition[], operations: readonly Operation[]): Promise<Outcome> {
    await Promise.resolve();
    if (this.closed.signal.aborted) throw new StoreError('CLOSED', 'the store is closed');
    if (this.failure) throw this.failure;
    const { disk } = this;
    const keys = operations.map(({ key }) => key);
    if (new Set(keys).size < keys.length) throw new TypeError('a key stands twice in a transaction');
    const size = operations.reduce(
      (sum, each) => sum + each.key.length + (each.type === 'put' ? each.value.length : 0),
      0,
    );
    if (this.most && (operations.length > this.most.operations || size > this.most.bytes)) {
      throw new StoreError('TOO_LARGE', `${operations.length} operations, ${size} bytes`);
    }
    for (const operation of operations) {
      const bytes = operation.type === 'put' ? operation.value.length : 0;
      if (bytes > 1024 * 1024 || Buffer.byteLength(operation.key) > 1024)
        throw new StoreError('TOO_LARGE', operation.key);
    }
    const failed = conditions
      .filter(({ key, modRevision }) => (disk.entries.get(key)?.modRevision ?? 0) !== modRevision)
      .map(({ key }) => key);
    if (failed.length > 0) return { ok: false, revision: disk.revision, failed };
    disk.transactions++;
    const revision = ++disk.revision;
    const events = operations.flatMap((operation): StoreEvent[] => {
      const { key } = operation;
      const before = disk.entries.get(key);
      if (operation.type === 'delete') {
        return disk.entries.delete(key) ? [{ type: 'delete', key, modRevision: revision }] : [];
      }
      const createRevision = before?.createRevision ?? revision;
      const entry = { key, value: operation.value, createRevision, modRevision: revision };
      disk.entries.set(key, entry);
      return [{ type: 'put', entry }];
    });
    disk.changes.push({ revision, events });
    for (const wake of disk.watchers) wake();
    return { ok: true, revision };
  }

  /** A transaction that deletes what is not among the entries, and puts those. */
  async replace(entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number> {
    const kept = new Set(entries.map(({ key }) => key));
    const gone = [...this.disk.entries.keys()].filter((key) => !kept.has(key));
    const { revision } = await this.transact(
      [],
      [
        ...gone.map((key): Operation => ({ type: 'delete', key })),
        ...entries.map((entry): Operation => ({ type: 'put', ...entry })),
      ],
    );
    return revision;
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<StoreChange> {
    const { disk } = this;
    const over = AbortSignal.any([signal, this.closed.signal]);
    let next = revision;
    while (!over.aborted) {
      if (next < disk.compacted) throw new StoreError('COMPACTED', `changes after ${next} are not kept`);
      const change = disk.changes.find((each) => each.revision > next);
      if (change === undefined) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            disk.watchers.delete(wake);
            over.removeEventListener('abort', wake);
            resolve();
          };
          disk.watchers.add(wake);
          over.addEventListener('abort', wake);
        });
        continue;
      }
      next = change.revision;
      const events = change.events.filter((event) =>
        (event.type === 'put' ? event.entry.key : event.key).startsWith(prefix),
      );
      if (events.length > 0) yield { revision: next, events };
    }
    if (!signal.aborted) throw new StoreError('CLOSED', 'the store is closed');
  }

  compact(revision: number): Promise<void> {
    this.disk.compacted = revision;
    this.disk.changes = this.disk.changes.filter((each) => each.revision > revision);
    for (const wake of this.disk.watchers) wake();
    return Promise.resolve();
  }

  async lead(name: string, onChange: (leads: boolean) => void, signal: AbortSignal): Promise<void> {
    const { candidates } = this.disk;
    const candidate = { name, onChange };
    const over = AbortSignal.any([signal, this.closed.signal]);
    candidates.push(candidate);
    if (candidates.find((each) => each.name === name) === candidate) onChange(true);
    if (!over.aborted) await new Promise((resolve) => over.addEventListener('abort', resolve, { once: true }));
    const led = candidates.find((each) => each.name === name) === candidate;
    candidates.splice(candidates.indexOf(candidate), 1);
    onChange(false);
    if (led) candidates.find((each) => each.name === name)?.onChange(true);
  }

  close(): Promise<void> {
    this.closed.abort();
    return Promise.resolve();
  }
}
