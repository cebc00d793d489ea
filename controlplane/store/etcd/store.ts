/** The store of several replicas: in etcd, under a prefix. */
import type { KeyValue, RangeResponse, StatusResponse, TxnResponse } from '../../../gen/etcd.ts';
import type { Logger } from '../../../common/log.ts';
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
} from '../../core/store.ts';
import { bytesOf, checkEntries, checkTransaction } from '../limits.ts';
import { changes, type Revision } from './changes.ts';
import { EtcdClient, type EtcdEndpoints } from './client.ts';
import { isAnswerTooLarge, isDenied } from './faults.ts';
import { endOf, FIRST_GENERATION, type Generation, generationOf, isAt, Layout } from './layout.ts';
import { lead } from './lead.ts';
import { pause } from '../../../common/signal.ts';
import { replaceAll } from './replace.ts';

export interface EtcdOptions extends EtcdEndpoints {
  /** What all keys start with, as in `/l7mp`; no slash at its end. */
  readonly root: string;
}

/** The first whose watches lose nothing at a compaction, and whose progress is in order with the changes. */
const OLDEST = [3, 5, 18] as const;
/** How many keys a page of a listing has at most. */
const PAGE_KEYS = 1000;
/** How often a listing is begun anew that took longer than its revision was kept. */
const LISTING_TRIES = 5;
const RETRY_MS = 500;

/** Parts of a transaction, as of one generation. */
interface Parts {
  readonly compare?: readonly object[];
  readonly success: readonly object[];
  readonly failure?: readonly object[];
}

/** @throws StoreError `UNAVAILABLE` where no endpoint answers, or it is too old. */
export async function openEtcd(options: EtcdOptions, log: Logger): Promise<Store> {
  const client = new EtcdClient(options);
  // Where it is not there, that takes a while to be known.
  log.info({ endpoints: options.endpoints }, 'connecting to etcd');
  try {
    await checkVersion(client, log);
    const store = new EtcdStore(client, new Layout(options.root), log);
    await store.revision();
    return store;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** @throws StoreError `UNAVAILABLE` where it is too old, or not reached. */
async function checkVersion(client: EtcdClient, log: Logger): Promise<void> {
  let version: string;
  try {
    ({ version } = await client.call<StatusResponse>('Maintenance/Status', {}, { idempotent: true }));
  } catch (error) {
    // Users of their own keys only may not ask.
    if (!isDenied(error)) throw error;
    log.debug({ error: (error as Error).message }, "etcd's version is not told to this user, and not checked");
    return;
  }
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  const differing = OLDEST.findIndex((part, i) => part !== parts[i]);
  if (differing >= 0 && (parts[differing] ?? 0) < (OLDEST[differing] ?? 0)) {
    throw new StoreError('UNAVAILABLE', `etcd: expected version ${OLDEST.join('.')} or newer, found ${version}`);
  }
}

class EtcdStore implements Store {
  readonly #client: EtcdClient;
  readonly #layout: Layout;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #leading = new Set<Promise<void>>();
  /** As of the last answer. */
  #generation = FIRST_GENERATION;
  #closed: Promise<void> | undefined;

  constructor(client: EtcdClient, layout: Layout, log: Logger) {
    this.#client = client;
    this.#layout = layout;
    this.#log = log;
  }

  async revision(): Promise<number> {
    const { header } = await this.#range({ key: this.#layout.generation });
    return header?.revision ?? 0;
  }

  async get(key: string): Promise<Entry | undefined> {
    const [generation, { responses }] = await this.#transaction(true, (current) => ({
      success: [{ request_range: { key: this.#layout.data(current, key) } }],
    }));
    const found = responses[0]?.response_range?.kvs[0];
    return found && this.#entryOf(generation, found);
  }

  async list(prefix: string): Promise<Listing> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#list(prefix);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'COMPACTED') throw error;
        if (tries === LISTING_TRIES) {
          throw new StoreError('UNAVAILABLE', 'etcd forgets revisions sooner than they can be listed', error);
        }
      }
    }
  }

  async transact(conditions: readonly Condition[], operations: readonly Operation[]): Promise<Outcome> {
    this.#check();
    checkTransaction(conditions, operations);
    const own = operations.map((each) => (each.type === 'put' ? { ...each, value: Buffer.from(each.value) } : each));
    const transaction = this.#transaction(own.length === 0, (current) => ({
      compare: conditions.map(({ key, modRevision }) => isAt(this.#layout.data(current, key), modRevision)),
      success: own.map((operation) => {
        const key = this.#layout.data(current, operation.key);
        return operation.type === 'put'
          ? { request_put: { key, value: operation.value } }
          : { request_delete_range: { key } };
      }),
      failure: conditions.map(({ key }) => ({
        request_range: { key: this.#layout.data(current, key), keys_only: true },
      })),
    }));
    const [, { succeeded, header, responses }] = await transaction.catch((error: unknown) => {
      throw withSize(error, own);
    });
    const revision = header?.revision ?? 0;
    if (succeeded) return { ok: true, revision };
    const failed = conditions.filter(
      ({ modRevision }, i) => (responses[i]?.response_range?.kvs[0]?.mod_revision ?? 0) !== modRevision,
    );
    return { ok: false, revision, failed: failed.map(({ key }) => key) };
  }

  async replace(entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number> {
    this.#check();
    checkEntries(entries);
    const own = entries.map(({ key, value }) => ({ key, value: Buffer.from(value) }));
    const current = await this.#refresh();
    this.#generation = await replaceAll(this.#client, this.#layout, current, own);
    return this.#generation.modRevision;
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncGenerator<StoreChange> {
    this.#check();
    const over = AbortSignal.any([signal, this.#closing.signal]);
    const generation = await this.#refreshUntil(over);
    if (generation && revision < generation.modRevision) throw replaced();
    if (generation) {
      const { store } = this.#layout;
      const range = { key: store, end: endOf(store) };
      for await (const change of changes(this.#client, range, revision, over, this.#log)) {
        const events = this.#eventsOf(change, generation, prefix);
        if (events.length > 0) yield { revision: change.revision, events };
      }
    }
    if (!signal.aborted) this.#check();
  }

  async compact(revision: number): Promise<void> {
    const upTo = Math.min(revision, await this.revision());
    try {
      await this.#client.call('KV/Compact', { revision: upTo }, { idempotent: true });
    } catch (error) {
      // Done already, by whomever.
      if (!(error instanceof StoreError) || error.code !== 'COMPACTED') throw error;
    }
  }

  async lead(name: string, onChange: (leads: boolean) => void, signal: AbortSignal): Promise<void> {
    this.#check();
    const over = AbortSignal.any([signal, this.#closing.signal]);
    const leading = lead(this.#client, this.#layout.lead(name), onChange, over, this.#log);
    this.#leading.add(leading);
    await leading.finally(() => this.#leading.delete(leading));
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#closing.abort();
      // They give up their leases, for others to lead at once.
      await Promise.allSettled(this.#leading);
      this.#client.close();
    })();
    return this.#closed;
  }

  #check(): void {
    if (this.#closed) throw new StoreError('CLOSED', 'the store is closed');
  }

  async #range(request: object): Promise<RangeResponse> {
    this.#check();
    return await this.#client.call<RangeResponse>('KV/Range', request, { idempotent: true });
  }

  async #refresh(): Promise<Generation> {
    const { kvs } = await this.#range({ key: this.#layout.generation });
    this.#generation = generationOf(kvs[0]);
    return this.#generation;
  }

  /** However long etcd is away. Undefined: it is over. */
  async #refreshUntil(over: AbortSignal): Promise<Generation | undefined> {
    while (!over.aborted) {
      try {
        return await this.#refresh();
      } catch (error) {
        if (this.#closed) return undefined;
        this.#log.warn({ error: (error as Error).message }, 'etcd is not watched yet: it is tried again');
        await pause(RETRY_MS, over);
      }
    }
    return undefined;
  }

  /** A transaction on the generation that is read, whichever that is. The answers are those to the parts. */
  async #transaction(idempotent: boolean, parts: (of: Generation) => Parts): Promise<[Generation, TxnResponse]> {
    for (;;) {
      this.#check();
      const generation = this.#generation;
      const pointer = this.#layout.generation;
      const { compare = [], success, failure = [] } = parts(generation);
      const request = {
        compare: [...compare, isAt(pointer, generation.modRevision)],
        success,
        failure: [...failure, { request_range: { key: pointer } }],
      };
      const response = await this.#client.call<TxnResponse>('KV/Txn', request, { idempotent });
      if (response.succeeded) return [generation, response];
      const found = generationOf(response.responses.at(-1)?.response_range?.kvs[0]);
      if (found.modRevision === generation.modRevision) return [generation, response];
      // All entries were replaced: nothing was done.
      this.#generation = found;
    }
  }

  async #list(prefix: string): Promise<Listing> {
    const entries: Entry[] = [];
    let revision = 0;
    let start: Buffer | undefined;
    let limit = PAGE_KEYS;
    let of = this.#generation;
    for (;;) {
      let page: RangeResponse | undefined;
      try {
        if (start) {
          // As of the first page's revision; its generation was the one that was read then.
          const range_end = endOf(this.#layout.data(of, prefix));
          page = await this.#range({ key: start, range_end, limit, revision });
        } else {
          const [generation, { responses, header }] = await this.#transaction(true, (current) => {
            const key = this.#layout.data(current, prefix);
            return { success: [{ request_range: { key, range_end: endOf(key), limit } }] };
          });
          of = generation;
          revision = header?.revision ?? 0;
          page = responses[0]?.response_range;
        }
      } catch (error) {
        if (!isAnswerTooLarge(error) || limit === 1) throw error;
        limit = Math.ceil(limit / 8);
        continue;
      }
      for (const found of page?.kvs ?? []) entries.push(this.#entryOf(of, found));
      const last = page?.kvs.at(-1);
      if (!page?.more || !last) return { entries, revision };
      start = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  #entryOf(generation: Generation, { key, value, create_revision, mod_revision }: KeyValue): Entry {
    const start = this.#layout.data(generation, '').length;
    const own = { createRevision: create_revision, modRevision: mod_revision };
    return { key: key.toString('utf8', start), value, ...own };
  }

  #eventsOf({ events }: Revision, generation: Generation, prefix: string): StoreEvent[] {
    const start = this.#layout.data(generation, prefix);
    const found: StoreEvent[] = [];
    for (const { type, kv } of events) {
      if (!kv) continue;
      if (kv.key.equals(this.#layout.generation)) throw replaced();
      if (!kv.key.subarray(0, start.length).equals(start)) continue;
      const entry = this.#entryOf(generation, kv);
      found.push(
        type === 'PUT' ? { type: 'put', entry } : { type: 'delete', key: entry.key, modRevision: entry.modRevision },
      );
    }
    return found;
  }
}

function replaced(): StoreError {
  return new StoreError('COMPACTED', 'all entries were replaced: list again');
}

/** Of a transaction that etcd finds too large: it says neither what it takes nor what it found. */
function withSize(error: unknown, operations: readonly Operation[]): unknown {
  if (!(error instanceof StoreError) || error.code !== 'TOO_LARGE') return error;
  const bytes = bytesOf(operations);
  const found = `expected a transaction within etcd's limits, found ${operations.length} operations with ${bytes} bytes`;
  return new StoreError('TOO_LARGE', `${found}: ${error.message}`, error);
}
