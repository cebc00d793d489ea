/** The store of several replicas inside a cluster of Kubernetes: custom resources of a namespace, in the API server. */
import { setMaxListeners } from 'node:events';
import { backoff } from '../../../common/backoff.ts';
import type { Logger } from '../../../common/log.ts';
import { isOver, pause } from '../../../common/signal.ts';
import {
  type Condition,
  type Entry,
  type Listing,
  type Operation,
  type Outcome,
  type Store,
  type StoreChange,
  StoreError,
} from '../../core/store.ts';
import { bytesOf, checkEntries, checkTransaction } from '../limits.ts';
import { Sleepers } from '../sleepers.ts';
import { changesUnder } from '../memory/history.ts';
import { faultOf, isConflict, isMissing, type KubernetesAccess } from './api.ts';
import { commitAll, patiently, QUOTA_BYTES, type Waiting } from './commit.ts';
import { FIRST_HEAD, HEAD, headOf, objectOf } from './head.ts';
import { keepPresence } from './presence.ts';
import { listNames, type Scope } from './records.ts';
import { Replica } from './replica.ts';
import { showObjects } from './shown.ts';
import { compactTo, isSnapshotDue, makeSnapshot, replaceAll } from './snapshot.ts';
import { Shared, Turns } from './turns.ts';

export interface KubernetesStoreOptions {
  readonly namespace: string;
  /** Several stores may be in one namespace. */
  readonly name: string;
}

/** Of one try of a call, and of a reading with all of its tries, in ms. */
const TIMEOUT_MS = 5000;
const READING_MS = 10_000;
/** Of commits that the head names at once. */
const GROUP = { transactions: 64, bytes: 4 * 1024 * 1024 };
/** What may wait. */
const WAITING = { transactions: 10_000, bytes: 64 * 1024 * 1024 };
/** The server ends the watch after it, in s; it is silent between bookmarks, which come each minute, in ms. */
const WATCH = { seconds: 600, silenceMs: 150_000 };
/** Before the server is asked again for a watch that it has ended, in ms; and where that was lost. */
const AGAIN_MS = 200;
const RETRY = { base: 400, cap: 10_000 };
/** How long writes may take that have come before the end, in ms. */
const CLOSING_MS = 5000;
/** After a snapshot that failed, in ms. */
const SNAPSHOT_RETRY_MS = 30_000;

/** The access is the store's from then on. @throws StoreError `UNAVAILABLE`, `CORRUPT` */
export async function openKubernetesStore(
  access: KubernetesAccess,
  { namespace, name }: KubernetesStoreOptions,
  log: Logger,
): Promise<Store> {
  const { client } = access;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // one for each call that runs
  const replica = new Replica({ client, namespace, name, timeoutMs: TIMEOUT_MS, signal: closing.signal });
  try {
    await patiently(performance.now() + READING_MS, replica.scope, () => prepare(replica.scope));
    await patiently(performance.now() + READING_MS, replica.scope, () => replica.refresh());
    return new KubernetesStore(access, replica, closing, log);
  } catch (error) {
    client.close();
    const { code, message } = faultOf(error);
    const hint = isMissing(error) ? ' (are the namespace and the definitions of StoreHead and StoreRecord there?)' : '';
    throw new StoreError(code, `the store ${namespace}/${name} in Kubernetes: ${message}${hint}`, error);
  }
}

/** Makes the head where there is none. */
async function prepare(scope: Scope): Promise<void> {
  const { client, namespace, name, timeoutMs, signal } = scope;
  try {
    await client.get(HEAD, { namespace, name }, { timeoutMs, signal });
    return;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const records = await listNames(scope);
  if (records.length > 0) {
    const found = `found none, but ${records.length} StoreRecords labelled with its name`;
    throw new StoreError('CORRUPT', `expected its StoreHead, ${found}: delete them, and restore a backup`);
  }
  try {
    await client.create(HEAD, objectOf(namespace, name, FIRST_HEAD), { timeoutMs, signal });
  } catch (error) {
    if (!isConflict(error)) throw error; // another replica was first
  }
}

class KubernetesStore implements Store {
  readonly #access: KubernetesAccess;
  readonly #replica: Replica;
  readonly #log: Logger;
  readonly #turns = new Turns();
  readonly #fresh: Shared;
  /** No more is begun; and what runs ends. */
  readonly #closing = new AbortController();
  readonly #ending: AbortController;
  readonly #following: Promise<void>;
  /** Whoever waits for a change or for the end. */
  readonly #sleepers = new Sleepers();
  /** Leases that are held. */
  readonly #leading = new Set<Promise<void>>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #working: Promise<void> | undefined;
  #snapshot: Promise<void> | undefined;
  #snapshotFrom = 0;
  #closed: Promise<void> | undefined;

  constructor(access: KubernetesAccess, replica: Replica, ending: AbortController, log: Logger) {
    this.#access = access;
    this.#replica = replica;
    this.#ending = ending;
    this.#log = log;
    this.#fresh = new Shared(async () => {
      const end = performance.now() + READING_MS;
      await this.#turn(() => patiently(end, replica.scope, () => replica.refresh()));
    });
    this.#following = this.#follow();
  }

  async revision(): Promise<number> {
    await this.#refresh();
    return this.#replica.revision;
  }

  async get(key: string): Promise<Entry | undefined> {
    await this.#refresh();
    return this.#replica.entries.get(key);
  }

  async list(prefix: string): Promise<Listing> {
    await this.#refresh();
    return { entries: this.#replica.entries.list(prefix), revision: this.#replica.revision };
  }

  async transact(conditions: readonly Condition[], operations: readonly Operation[]): Promise<Outcome> {
    this.#check();
    checkTransaction(conditions, operations);
    // The caller may use its buffers again.
    const own = operations.map((each) => (each.type === 'put' ? { ...each, value: Buffer.from(each.value) } : each));
    const bytes = bytesOf(own);
    if (this.#waiting.length >= WAITING.transactions || this.#waitingBytes + bytes > WAITING.bytes + QUOTA_BYTES) {
      const found = `${this.#waiting.length} writes wait for the API server already`;
      throw new StoreError('UNAVAILABLE', `${found}: nothing was changed`);
    }
    return await new Promise<Outcome>((resolve, reject) => {
      this.#waiting.push({ conditions, operations: own, resolve, reject });
      this.#waitingBytes += bytes;
      this.#working ??= this.#work();
    });
  }

  async replace(entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number> {
    this.#check();
    checkEntries(entries);
    const bytes = bytesOf(entries);
    if (bytes > QUOTA_BYTES) {
      throw new StoreError('FULL', `the store takes at most ${QUOTA_BYTES} bytes, and these are ${bytes}`);
    }
    const own = entries.map(({ key, value }) => ({ key, value: Buffer.from(value) }));
    return await this.#turn(() => replaceAll(this.#replica, own));
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncGenerator<StoreChange> {
    const { line } = this.#replica;
    let seen = revision;
    while (!signal.aborted) {
      this.#check();
      const { history } = this.#replica;
      if (this.#replica.line !== line || seen < history.compacted) {
        const kept = `they are kept after ${history.compacted}`;
        throw new StoreError('COMPACTED', `changes after revision ${seen} are not kept any more, ${kept}: list again`);
      }
      const change = history.after(seen);
      if (!change) {
        await this.#sleepers.sleep(signal);
        continue;
      }
      seen = change.revision;
      const events = changesUnder(prefix, change.events);
      if (events.length > 0) yield { revision: seen, events };
    }
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    await this.#turn(() => compactTo(this.#replica, revision));
  }

  /** Whoever leads shows what is live, too. */
  async lead(name: string, onChange: (leads: boolean) => void, signal: AbortSignal): Promise<void> {
    this.#check();
    const { namespace, name: store } = this.#replica.scope;
    const leading = (async () => {
      let shows: AbortController | undefined;
      let showing = Promise.resolve();
      const lease = this.#access.lease(namespace, `${store}-${name}`, (leads) => {
        shows?.abort();
        if (leads) {
          const { signal: until } = (shows = new AbortController());
          setMaxListeners(0, until); // one for each call that runs
          showing = showing.then(() => showObjects(this, this.#replica.scope, until, this.#log));
        }
        onChange(leads);
      });
      while (!signal.aborted && !this.#closing.signal.aborted) await this.#sleepers.sleep(signal);
      await lease.close();
      await showing;
    })();
    this.#leading.add(leading);
    await leading.finally(() => this.#leading.delete(leading));
  }

  async presence(id: string, onSign: (id: string, at: number) => void, signal: AbortSignal): Promise<void> {
    this.#check();
    const over = AbortSignal.any([signal, this.#closing.signal]);
    const present = keepPresence(this.#replica.scope, id, onSign, over, this.#log);
    this.#leading.add(present);
    await present.finally(() => this.#leading.delete(present));
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#closing.abort();
      this.#sleepers.wake();
      // They give up their leases, for others to lead at once; what is being written comes to its end.
      await Promise.allSettled(this.#leading);
      const written = Promise.allSettled([this.#working, this.#turns.take(() => Promise.resolve())]);
      const over = new AbortController();
      await Promise.race([written.finally(() => over.abort()), pause(CLOSING_MS, over.signal)]);
      this.#ending.abort();
      await Promise.allSettled([this.#following, this.#snapshot]);
      this.#access.client.close();
    })();
    return this.#closed;
  }

  #check(): void {
    if (this.#closed) throw new StoreError('CLOSED', 'the store is closed');
  }

  async #refresh(): Promise<void> {
    this.#check();
    await this.#fresh.run();
  }

  /** Whatever changes what is in memory: one after the other. @throws StoreError */
  async #turn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.take(async () => {
      try {
        return await work();
      } catch (error) {
        throw faultOf(error);
      } finally {
        this.#sleepers.wake();
      }
    });
  }

  /** Those that come while others are written share the next commit. It never fails: whoever waits is told. */
  async #work(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#turn(() => commitAll(this.#replica, this.#take())).catch((error: unknown) => {
        this.#log.error({ error: String(error) }, 'a commit of the store');
      });
      this.#snapshotWhenDue();
    }
    this.#working = undefined;
  }

  #take(): Waiting[] {
    let [count, bytes] = [0, 0];
    for (const { operations } of this.#waiting) {
      const more = bytesOf(operations);
      if (count > 0 && (count >= GROUP.transactions || bytes + more > GROUP.bytes)) break;
      count += 1;
      bytes += more;
    }
    const group = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#waitingBytes -= bytes;
    return group;
  }

  #snapshotWhenDue(): void {
    if (this.#snapshot || this.#closed || performance.now() < this.#snapshotFrom) return;
    if (!isSnapshotDue(this.#replica)) return;
    this.#snapshot = makeSnapshot(this.#replica, this.#turns)
      .catch((error: unknown) => {
        this.#snapshotFrom = performance.now() + SNAPSHOT_RETRY_MS;
        if (this.#closed) return;
        this.#log.warn({ error: (error as Error).message }, 'no snapshot of the store could be made: later again');
      })
      .finally(() => (this.#snapshot = undefined));
  }

  /** Others move the head, too. */
  async #follow(): Promise<void> {
    const { client, namespace, name, signal } = this.#replica.scope;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const watch = client.watch(HEAD, {
          ...{ namespace, fieldSelector: `metadata.name=${name}`, signal },
          // As it is now, and then each change: nothing is to be resumed.
          resourceVersion: '',
          timeoutSeconds: WATCH.seconds,
          silenceMs: () => WATCH.silenceMs,
        });
        for await (const events of watch) {
          const last = events.findLast(({ type }) => type === 'ADDED' || type === 'MODIFIED');
          if (last) await this.#turn(() => this.#replica.take(headOf(last.object)));
          if (failures > 0) this.#log.info({}, 'the store in Kubernetes is watched again');
          failures = 0;
        }
        await pause(AGAIN_MS, signal);
      } catch (error) {
        if (isOver(signal)) return;
        const isNews = failures++ === 0;
        const message = 'the watch of the store in Kubernetes was lost: it is tried again';
        if (isNews) this.#log.warn({ error: (error as Error).message }, message);
        await pause(backoff(failures, RETRY, 0.5), signal);
      }
    }
  }
}
