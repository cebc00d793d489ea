/** What the store holds that is live, in memory: listed once, then followed. */
import type { Logger } from '../../common/log.ts';
import { type Entry, type Store, type StoreChange, StoreError } from '../core/store.ts';
import { CANDIDATES, HEAD, LIVE, OBJECTS, ROLLOUTS } from '../model/keys.ts';
import { type ConfigObject, fromStored } from '../model/object.ts';
import type { RolloutRecord } from '../model/rollout-record.ts';

/** What changed with a revision. */
export interface MirrorChange {
  readonly revision: number;
  /** Ids of objects. */
  readonly objects: ReadonlySet<string>;
  /** Ids of rollouts whose record or candidates changed. */
  readonly rollouts: ReadonlySet<string>;
}

export class StoreMirror {
  readonly objects = new Map<string, ConfigObject>();
  readonly rollouts = new Map<string, RolloutRecord>();
  /** By rollout, then by object. */
  readonly candidates = new Map<string, Map<string, ConfigObject>>();
  /** The number of the last version, and the revision that made it: 0 where there is none. */
  head = { number: 0, modRevision: 0 };
  revision = -1;
  private readonly byKey = new Map<string, Place>();
  private readonly listeners = new Set<(change: MirrorChange) => void>();
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

  /** Hears of each change, after it was made here. */
  onChange(listener: (change: MirrorChange) => void): void {
    this.listeners.add(listener);
  }

  /** Resolves when a revision's changes are here; rejects when `signal` aborts. */
  async reached(revision: number, signal: AbortSignal): Promise<void> {
    while (this.revision < revision) {
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
        for await (const change of this.store.watch(LIVE, this.revision, signal)) this.take(change);
      } catch (error) {
        if (isOver()) return;
        if (error instanceof StoreError) {
          if (error.code === 'COMPACTED') continue;
          if (error.code === 'CLOSED') return;
        }
        const { message } = error instanceof Error ? error : new Error(String(error));
        this.log.warn({ error: message }, 'the store is not readable; what is known stays live, and it is tried again');
        await pause(this.retry, signal);
      }
    }
  }

  /** Reads all, and tells what is different from what was known. */
  private async read(): Promise<void> {
    const { entries, revision } = await this.store.list(LIVE);
    const change = emptyChange(revision);
    const gone = new Set(this.byKey.keys());
    for (const entry of entries) {
      gone.delete(entry.key);
      if (this.byKey.get(entry.key)?.modRevision !== entry.modRevision) this.put(entry, change);
    }
    for (const key of gone) this.remove(key, change);
    this.tell(change);
  }

  private take({ revision, events }: StoreChange): void {
    if (revision <= this.revision) return;
    const change = emptyChange(revision);
    for (const event of events) {
      if (event.type === 'put') this.put(event.entry, change);
      else this.remove(event.key, change);
    }
    this.tell(change);
  }

  private tell(change: MirrorChange): void {
    this.revision = change.revision;
    for (const listener of this.listeners) listener(change);
    for (const waiter of [...this.waiters]) waiter();
  }

  private put({ key, value, modRevision }: Entry, change: Changing): void {
    const known = this.byKey.get(key);
    const place: Place = { ...(known ?? placeOf(key)), modRevision };
    try {
      this.set(place, value, modRevision, change);
      this.byKey.set(key, place);
    } catch (error) {
      // Written by something else: what was known stays.
      this.log.error({ key, error: String(error) }, 'expected an object in the store, found what cannot be read');
    }
  }

  private set(place: Place, value: Buffer, modRevision: number, change: Changing): void {
    if (place.type === 'head') {
      this.head = { number: Number(value.toString()), modRevision };
    } else if (place.type === 'rollout') {
      const record = JSON.parse(value.toString()) as RolloutRecord;
      this.rollouts.set(record.id, record);
      place.id = record.id;
      change.rollouts.add(record.id);
    } else if (place.type !== 'other') {
      const object = fromStored(value, modRevision);
      place.id = object.id;
      if (place.type === 'object') {
        this.objects.set(object.id, object);
        change.objects.add(object.id);
      } else {
        const { rollout = '' } = place;
        const candidates = this.candidates.get(rollout) ?? new Map<string, ConfigObject>();
        this.candidates.set(rollout, candidates.set(object.id, object));
        change.rollouts.add(rollout);
      }
    }
  }

  private remove(key: string, change: Changing): void {
    const place = this.byKey.get(key);
    this.byKey.delete(key);
    const { type, id = '', rollout = '' } = place ?? placeOf(key);
    if (type === 'head') this.head = { number: 0, modRevision: 0 };
    else if (type === 'object') {
      this.objects.delete(id);
      change.objects.add(id);
    } else if (type === 'rollout') {
      this.rollouts.delete(id);
      change.rollouts.add(id);
    } else if (type === 'candidate') {
      const candidates = this.candidates.get(rollout);
      candidates?.delete(id);
      if (candidates?.size === 0) this.candidates.delete(rollout);
      change.rollouts.add(rollout);
    }
  }
}

interface Changing {
  readonly revision: number;
  readonly objects: Set<string>;
  readonly rollouts: Set<string>;
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

function emptyChange(revision: number): Changing {
  return { revision, objects: new Set(), rollouts: new Set() };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
