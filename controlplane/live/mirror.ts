/** What the store holds that is live, in memory: listed once, then followed. */
import type { Logger } from '../../common/log.ts';
import { pause } from '../../common/signal.ts';
import { type Entry, type Store, type StoreChange, StoreError } from '../core/store.ts';
import { Slices } from '../../common/slices.ts';
import { Draft, type ReadonlyTable } from '../model/draft.ts';
import { CANDIDATES, HEAD, LIVE, OBJECTS, ROLLOUTS } from '../model/keys.ts';
import { type ConfigObject, fromStored } from '../model/object.ts';
import type { RolloutRecord } from '../model/rollout-record.ts';

/** What changes with a revision. */
export interface MirrorChange {
  readonly revision: number;
  /** The number of the last version after it. */
  readonly version: number;
  /** What the store holds after it. */
  readonly after: {
    readonly objects: ReadonlyTable<string, ConfigObject>;
    readonly rollouts: ReadonlyTable<string, RolloutRecord>;
    readonly candidates: ReadonlyTable<string, ReadonlyMap<string, ConfigObject>>;
  };
  /** Ids of objects. */
  readonly objects: ReadonlySet<string>;
  /** Ids of rollouts whose record or candidates changed. */
  readonly rollouts: ReadonlySet<string>;
  /** Makes it here, in one go. */
  readonly commit: () => void;
}

export class StoreMirror {
  readonly objects = new Map<string, ConfigObject>();
  readonly rollouts = new Map<string, RolloutRecord>();
  /** By rollout, then by object. */
  readonly candidates = new Map<string, Map<string, ConfigObject>>();
  head: Head = { number: 0, modRevision: 0 };
  /** What is here is of this revision of the store, which others may have changed last: see `changedAt`. */
  revision = -1;
  /** Takes each change, one after the other: it is not made here before `commit` is called. */
  onChange: (change: MirrorChange) => Promise<void> | void = (change) => change.commit();
  private readonly byKey = new Map<string, Place>();
  private readonly waiters = new Set<() => void>();
  private readonly store: Store;
  private readonly log: Logger;

  private readonly retry: number;

  /** `retry` is the time between two attempts to reach the store, in ms. */
  constructor(store: Store, log: Logger, retry = 1000) {
    this.store = store;
    this.log = log;
    this.retry = retry;
  }

  /** Follows the store until `signal` aborts. Resolves when it has been read once; it is tried until then. */
  async start(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => void this.follow(signal, resolve).then(resolve));
  }

  /** The revision of the last change of what is live: every replica comes to it. */
  get changedAt(): number {
    return this.head.modRevision;
  }

  /** Resolves when a revision's changes are here; rejects when `signal` aborts. The store tells of those of live keys only. */
  async reached(revision: number, signal: AbortSignal): Promise<void> {
    await this.until(() => this.revision >= revision, signal);
  }

  /**
   * As `reached`, where nothing live is left at the revision: the store is silent of one that took nothing live away, so that
   * being empty will do.
   */
  async emptied(revision: number, signal: AbortSignal): Promise<void> {
    await this.until(() => this.revision >= revision || this.byKey.size === 0, signal);
  }

  /** Resolves when the last version is another than `head` here; rejects when `signal` aborts. */
  async passed(head: Head, signal: AbortSignal): Promise<void> {
    await this.until(() => this.head.modRevision !== head.modRevision, signal);
  }

  private async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    while (!holds()) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.waiters.add(done);
        signal.addEventListener('abort', done);
      });
    }
  }

  private async follow(signal: AbortSignal, onRead: () => void): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      try {
        await this.read();
        onRead();
        for await (const change of this.store.watch(LIVE, this.revision, signal)) await this.take(change);
      } catch (error) {
        if (isOver()) return;
        if (error instanceof StoreError) {
          if (error.code === 'COMPACTED') continue;
          if (error.code === 'CLOSED') return;
          const text = 'the store is not readable; what is known stays live, and it is tried again';
          this.log.warn({ error: error.message }, text);
        } else {
          const text = 'a change could not be taken; what is known stays live, and it is tried again';
          this.log.error({ error: String(error) }, text);
        }
        await pause(this.retry, signal);
      }
    }
  }

  /** Reads all, and tells what is different from what was known. */
  private async read(): Promise<void> {
    const { entries, revision } = await this.store.list(LIVE);
    const draft = this.draft(revision);
    const slices = new Slices();
    const gone = new Set(this.byKey.keys());
    for (const entry of entries) {
      gone.delete(entry.key);
      if (this.byKey.get(entry.key)?.modRevision !== entry.modRevision) draft.put(entry);
      if (slices.isOver) await slices.next();
    }
    for (const key of gone) draft.remove(key);
    await this.onChange(draft.change);
  }

  private async take({ revision, events }: StoreChange): Promise<void> {
    if (revision <= this.revision) return;
    const draft = this.draft(revision);
    const slices = new Slices();
    for (const event of events) {
      if (event.type === 'put') draft.put(event.entry);
      else draft.remove(event.key);
      if (slices.isOver) await slices.next();
    }
    await this.onChange(draft.change);
  }

  private draft(revision: number): MirrorDraft {
    return new MirrorDraft(this, this.byKey, revision, this.log, (head) => {
      this.head = head;
      this.revision = revision;
      for (const waiter of [...this.waiters]) waiter();
    });
  }
}

/** The number of the last version, and the revision that made it: 0 where there is none. */
export interface Head {
  readonly number: number;
  readonly modRevision: number;
}

/** What the mirror will hold after a revision. */
class MirrorDraft {
  readonly change: MirrorChange;
  private readonly objects: Draft<string, ConfigObject>;
  private readonly rollouts: Draft<string, RolloutRecord>;
  private readonly candidates: Draft<string, Map<string, ConfigObject>>;
  private readonly byKey: Draft<string, Place>;
  private readonly changed = { objects: new Set<string>(), rollouts: new Set<string>() };
  private readonly log: Logger;
  private head: Head;

  constructor(
    base: Pick<StoreMirror, 'objects' | 'rollouts' | 'candidates' | 'head'>,
    byKey: Map<string, Place>,
    revision: number,
    log: Logger,
    onCommit: (head: Head) => void,
  ) {
    this.objects = new Draft(base.objects);
    this.rollouts = new Draft(base.rollouts);
    this.candidates = new Draft(base.candidates);
    this.byKey = new Draft(byKey);
    this.head = base.head;
    this.log = log;
    const headNow = (): Head => this.head;
    this.change = {
      ...this.changed,
      revision,
      get version() {
        return headNow().number;
      },
      after: { objects: this.objects, rollouts: this.rollouts, candidates: this.candidates },
      commit: () => {
        for (const table of [this.objects, this.rollouts, this.candidates, this.byKey]) table.commit();
        onCommit(this.head);
      },
    };
  }

  put({ key, value, modRevision }: Entry): void {
    const known = this.byKey.get(key);
    const place: Place = { ...(known ?? placeOf(key)), modRevision };
    try {
      this.set(place, value, modRevision);
      this.byKey.set(key, place);
    } catch (error) {
      // Written by something else: what was known stays.
      this.log.error({ key, error: String(error) }, 'expected an object in the store, found what cannot be read');
    }
  }

  remove(key: string): void {
    const place = this.byKey.get(key);
    this.byKey.delete(key);
    const { type, id = '', rollout = '' } = place ?? placeOf(key);
    if (type === 'head') this.head = { number: 0, modRevision: 0 };
    else if (type === 'object') {
      this.objects.delete(id);
      this.changed.objects.add(id);
    } else if (type === 'rollout') {
      this.rollouts.delete(id);
      this.changed.rollouts.add(id);
    } else if (type === 'candidate') {
      const candidates = this.candidates.own(rollout, copyOf);
      candidates?.delete(id);
      if (candidates?.size === 0) this.candidates.delete(rollout);
      this.changed.rollouts.add(rollout);
    }
  }

  private set(place: Place, value: Buffer, modRevision: number): void {
    if (place.type === 'head') {
      this.head = { number: Number(value.toString()), modRevision };
    } else if (place.type === 'rollout') {
      const record = { ...(JSON.parse(value.toString()) as RolloutRecord), revision: modRevision };
      this.rollouts.set(record.id, record);
      place.id = record.id;
      this.changed.rollouts.add(record.id);
    } else if (place.type !== 'other') {
      const object = fromStored(value, modRevision);
      place.id = object.id;
      if (place.type === 'object') {
        this.objects.set(object.id, object);
        this.changed.objects.add(object.id);
      } else {
        const { rollout = '' } = place;
        const candidates = this.candidates.own(rollout, copyOf);
        if (candidates) candidates.set(object.id, object);
        else this.candidates.set(rollout, new Map([[object.id, object]]));
        this.changed.rollouts.add(rollout);
      }
    }
  }
}

function copyOf<K, V>(map: Map<K, V>): Map<K, V> {
  return new Map(map);
}

/** What stands under a key. */
interface Place {
  readonly type: 'head' | 'object' | 'rollout' | 'candidate' | 'other';
  readonly modRevision: number;
  readonly rollout?: string | undefined;
  /** Of the object or rollout. */
  id?: string;
}

function placeOf(key: string): Place {
  if (key === HEAD) return { type: 'head', modRevision: 0 };
  if (key.startsWith(OBJECTS)) return { type: 'object', modRevision: 0 };
  if (key.startsWith(ROLLOUTS)) return { type: 'rollout', modRevision: 0 };
  if (!key.startsWith(CANDIDATES)) return { type: 'other', modRevision: 0 };
  return { type: 'candidate', modRevision: 0, rollout: key.slice(CANDIDATES.length).split('/', 1)[0] };
}
