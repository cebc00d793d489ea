/** What this replica has in memory of the store, and how it follows the head: by the commits in between, or all anew. */
import { type Entry, StoreError } from '../../core/store.ts';
import { Entries, sizeOf } from '../memory/entries.ts';
import { type DatedChange, History } from '../memory/history.ts';
import { changeOf, Overlay } from '../memory/plan.ts';
import { isMissing } from './api.ts';
import { floorOf, FIRST_HEAD, HEAD, type Head, headOf, isOlder } from './head.ts';
import { inParallel, MissingRecord, readEntries, readOperations, type Scope } from './records.ts';

/** What is kept for watches of this process: also what the head does not name any more. */
const HISTORY = { changes: 10_000, ageMs: 24 * 3600_000, bytes: 64 * 1024 * 1024 };
/** How often a head is read that others move on while its records are read. */
const TRIES = 20;

export class Replica {
  readonly scope: Scope;
  revision = 0;
  entries = new Entries();
  history = new History(0, HISTORY);
  /** Another one each time that all was read anew: watches of the one before have lost their place. */
  line = 0;
  /** What commits after the snapshot come to, in bytes. */
  bytesSinceSnapshot = 0;
  #head: Head | undefined;

  constructor(scope: Scope) {
    this.scope = scope;
  }

  /** As of the last that was taken. */
  get head(): Head {
    if (!this.#head) throw new Error('there is no head yet');
    return this.#head;
  }

  /** Asks what is so now. Whoever calls it has the turn. @throws StoreError `CORRUPT`; what the client throws. */
  async refresh(): Promise<void> {
    const head = await this.#read();
    const known = this.#head;
    // etcd was put back to what it was before: then all is as that says.
    if (known?.uid === head.uid && BigInt(head.version) < BigInt(known.version)) this.#head = undefined;
    await this.take(head);
  }

  /** Goes on to a head. Whoever calls it has the turn. @throws StoreError `CORRUPT`; what the client throws. */
  async take(found: Head): Promise<void> {
    let head = found;
    for (let tries = 1; ; tries++) {
      const known = this.#head;
      if (known && isOlder(head, known)) return;
      try {
        const follows = known?.uid === head.uid && floorOf(head) <= this.revision && this.revision <= head.revision;
        await (follows ? this.#follow(head) : this.#load(head));
        this.#use(head);
        return;
      } catch (error) {
        if (!(error instanceof MissingRecord)) throw error;
        // Others have made a snapshot meanwhile, and removed what is not needed after it.
        const next = await this.#read();
        const isSame = next.uid === head.uid && next.version === head.version;
        if (isSame) {
          const found = `expected ${error.message}, which its head names, found none`;
          throw new StoreError('CORRUPT', `the store is no whole one: ${found}; restore a backup into a new one`);
        }
        if (tries === TRIES) throw new StoreError('UNAVAILABLE', 'the store is changed faster than it can be read');
        head = next;
      }
    }
  }

  /** After this process moved the head by commits. */
  committed(head: Head, changes: readonly DatedChange[]): void {
    for (const change of changes) this.#apply(change);
    this.#use(head);
  }

  /** After this process put others in the place of all entries. */
  replaced(head: Head, entries: readonly Pick<Entry, 'key' | 'value'>[]): void {
    const { revision } = head;
    this.#reset(
      revision,
      entries.map(({ key, value }) => ({ key, value, createRevision: revision, modRevision: revision })),
    );
    this.#use(head);
  }

  async #read(): Promise<Head> {
    const { client, namespace, name, timeoutMs, signal } = this.scope;
    try {
      return headOf(await client.get(HEAD, { namespace, name }, { timeoutMs, signal }));
    } catch (error) {
      if (!isMissing(error)) throw error;
      const found = 'expected the StoreHead that it had, found none: restore a backup';
      throw new StoreError('UNAVAILABLE', `the store ${namespace}/${name}: ${found}`, error);
    }
  }

  async #follow(head: Head): Promise<void> {
    const ids = head.commits.slice(this.revision - floorOf(head));
    const commits = await inParallel(ids, (id) => readOperations(this.scope, id));
    for (const operations of commits) this.#apply(this.#changeOf(operations));
  }

  async #load(head: Head): Promise<void> {
    const { snapshot, commits } = head;
    const { id, revision } = snapshot;
    const entries = id === '' ? [] : await readEntries(this.scope, id, revision);
    const ids = commits.slice(revision - floorOf(head));
    const later = await inParallel(ids, (each) => readOperations(this.scope, each));
    this.#reset(revision, entries);
    for (const operations of later) this.#apply(this.#changeOf(operations));
  }

  #changeOf(operations: Parameters<typeof changeOf>[1]): DatedChange {
    const none = { revision: this.revision + 1, time: Date.now(), events: [] };
    return changeOf(new Overlay(this, Infinity), operations) ?? none;
  }

  #reset(revision: number, entries: readonly Entry[]): void {
    this.revision = revision;
    this.entries = new Entries();
    for (const entry of entries) this.entries.put(entry);
    this.history = new History(revision, HISTORY);
    this.line += 1;
    this.bytesSinceSnapshot = 0;
  }

  #apply(change: DatedChange): void {
    this.revision = change.revision;
    for (const event of change.events) {
      if (event.type === 'put') {
        this.entries.put(event.entry);
        this.bytesSinceSnapshot += sizeOf(event.entry);
      } else {
        this.entries.delete(event.key);
      }
    }
    this.history.add(change);
  }

  #use(head: Head): void {
    const before = this.#head?.snapshot ?? FIRST_HEAD.snapshot;
    if (before.id !== head.snapshot.id) this.bytesSinceSnapshot = 0;
    this.#head = head;
    this.history.compact(head.compacted);
  }
}
