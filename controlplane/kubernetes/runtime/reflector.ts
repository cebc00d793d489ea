/** Keeps a table like what the API server has of one kind: a list, then a watch for as long as it can go on. */
import { backoff } from '../../../common/backoff.ts';
import type { Logger } from '../../../common/log.ts';
import { isOver, pause } from '../../../common/signal.ts';
import type { KubeObject } from '../api/object.ts';
import { INITIAL_EVENTS_END, type KubeClient, type WatchEvent, type WatchOptions } from './client.ts';
import { isExpired, isUnsupported, KubeError } from './errors.ts';
import type { ResourceType } from '../api/addressing.ts';
import { keyOfObject, type Table } from './table.ts';
import { type Trim, trimMetadata } from './trim.ts';
import { isOlder } from './versions.ts';

export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly type: ResourceType;
  readonly table: Table;
  readonly log: Logger;
  /** Empty or absent: all. */
  readonly namespace?: string;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only `metadata` is asked for. */
  readonly metadataOnly?: boolean;
  /** After what is left out of every kind. */
  readonly trim?: Trim | undefined;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  /** The server ends a watch after a time from this one to twice as much, in s. 300, as client-go. */
  readonly watchSeconds: number;
  /** Longer than two bookmarks are apart, which come each minute or so: a watch that had one is lost if silent for so long, in ms. */
  readonly silenceMs: number;
  /** The pause after the first failure, and the longest, in ms. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** Objects of a page. */
  readonly pageSize: number;
}

const TIMING: ReflectorTiming = {
  watchSeconds: 300,
  silenceMs: 150_000,
  firstRetryMs: 500,
  lastRetryMs: 30_000,
  pageSize: 500,
};
/** What a watch may take to end after the server should have ended it, in ms. */
const GRACE_MS = 30_000;
/** How long a streaming list may pause, in ms: a server that does not know of them would never end it. */
const STREAM_SILENCE_MS = 30_000;
/** No server ends watches so soon that is in order, in ms. */
const SHORT_MS = 1000;

/** `listing`: never had it all yet, or not since a version was too old. `failing`: what is held may be old. */
export type ReflectorState = 'listing' | 'watching' | 'failing' | 'closed';

export interface ReflectorCounters {
  /** Full lists that were made, streamed or by pages. */
  lists: number;
  /** Watches that were begun. */
  watches: number;
  events: number;
  bookmarks: number;
  errors: number;
}

export class Reflector {
  readonly counters: ReflectorCounters = { lists: 0, watches: 0, events: 0, bookmarks: 0, errors: 0 };
  /** Resolves once the table had all that was there; never rejects. */
  readonly synced: Promise<void>;
  state: ReflectorState = 'listing';
  /** Of the last failure; undefined since it goes well. */
  fault: string | undefined;
  readonly #options: ReflectorOptions;
  readonly #timing: ReflectorTiming;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #onSynced = (): void => {};
  /** Up to where the table is; empty: it has to be listed. */
  #version = '';
  /** Whether the server has streaming lists, as far as is known. */
  #streams = true;
  #hasBookmarks = false;
  #failures = 0;
  /** Versions that were too old, since there was an event of after a list. */
  #expiries = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.synced = new Promise((resolve) => (this.#onSynced = resolve));
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.state = 'closed';
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#version !== '') await this.#watch(false);
        else if (this.#streams) await this.#watch(true);
        else await this.#list();
      } catch (error) {
        if (isOver(signal)) return;
        await this.#failed(error as Error);
      }
    }
  }

  async #failed(error: Error): Promise<void> {
    const { type, log } = this.#options;
    this.counters.errors += 1;
    if (isExpired(error)) {
      this.#version = '';
      this.state = 'listing';
      // All of it anew, and at once; but not where a list is too old as soon as it is made.
      if (this.#expiries++ === 0) return;
      this.#failures = Math.max(this.#failures, this.#expiries - 1);
    } else {
      const isNews = this.fault !== error.message;
      this.fault = error.message;
      this.state = 'failing';
      this.#failures += 1;
      if (isNews)
        log.warn({ kind: type.kind, error: error.message }, 'a watch of Kubernetes failed: it is tried again');
    }
    const { firstRetryMs, lastRetryMs } = this.#timing;
    const delay = backoff(this.#failures, { base: firstRetryMs, cap: lastRetryMs }, 0.5);
    const asked = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    await pause(Math.max(delay, Math.min(asked, lastRetryMs)), this.#closing.signal);
  }

  /** It goes well: what comes next is the first failure again. */
  #progressed(): void {
    if (this.fault !== undefined)
      this.#options.log.info({ kind: this.#options.type.kind }, 'Kubernetes is watched again');
    this.fault = undefined;
    this.#failures = 0;
    this.state = 'watching';
  }

  /** By pages, all of the version of the first. */
  async #list(): Promise<void> {
    const { client, type } = this.#options;
    const { signal } = this.#closing;
    const objects = new Map<string, KubeObject>();
    // A list that takes longer than the server keeps its version is made in one go then, as client-go does.
    let limit: number | undefined = this.#timing.pageSize;
    for (let next = ''; ;) {
      const options = {
        ...this.#scope(),
        signal,
        ...(limit !== undefined && { limit }),
        ...(next !== '' && { continue: next }),
      };
      try {
        const page = await client.list(type, options);
        for (const item of page.items) this.#keep(objects, item);
        next = page.continue;
        if (next === '') return this.#replace(objects, page.resourceVersion);
      } catch (error) {
        if (!isExpired(error) || next === '') throw error;
        objects.clear();
        next = '';
        limit = undefined;
      }
    }
  }

  /** `initial`: what is there comes first (a streaming list). Ends when the server ends it. */
  async #watch(initial: boolean): Promise<void> {
    const { client, type } = this.#options;
    const { watchSeconds, silenceMs, firstRetryMs } = this.#timing;
    const timeoutSeconds = Math.ceil(watchSeconds * (1 + Math.random()));
    const end = performance.now() + timeoutSeconds * 1000 + GRACE_MS;
    let listed: Map<string, KubeObject> | undefined = initial ? new Map() : undefined;
    const options: WatchOptions = {
      ...this.#scope(),
      resourceVersion: this.#version,
      sendInitialEvents: initial,
      timeoutSeconds,
      signal: this.#closing.signal,
      silenceMs: () => {
        const rest = Math.max(end - performance.now(), 1);
        if (listed) return Math.min(rest, STREAM_SILENCE_MS);
        return this.#hasBookmarks ? Math.min(rest, silenceMs) : rest;
      },
    };
    this.counters.watches += 1;
    const started = performance.now();
    try {
      for await (const batch of client.watch(type, options)) {
        for (const event of batch) {
          if (listed) listed = this.#gather(listed, event);
          else this.#take(event);
        }
        if (!listed) this.#progressed();
      }
    } catch (error) {
      const isSilent = error instanceof KubeError && error.reason === 'Timeout';
      if (initial && listed && (isUnsupported(error) || isSilent)) {
        this.#streams = false; // it knows no such lists, or has none of this kind
        return;
      }
      throw error;
    }
    if (listed) throw new KubeError(`list ${type.plural}: it ended before it was whole`, UNREACHABLE);
    // A server that ends them at once is not asked again at once.
    if (performance.now() - started < SHORT_MS) await pause(firstRetryMs, this.#closing.signal);
  }

  /** An event of a streaming list. Undefined: it is whole now. */
  #gather(listed: Map<string, KubeObject>, { type, object }: WatchEvent): Map<string, KubeObject> | undefined {
    if (type === 'BOOKMARK') {
      if (object.metadata.annotations?.[INITIAL_EVENTS_END] !== 'true') return listed;
      this.#hasBookmarks = true;
      this.#replace(listed, object.metadata.resourceVersion ?? '');
      return undefined;
    }
    this.counters.events += 1;
    if (type === 'DELETED') listed.delete(keyOfObject(object));
    else this.#keep(listed, object);
    return listed;
  }

  #take({ type, object }: WatchEvent): void {
    const { table } = this.#options;
    const { resourceVersion } = object.metadata;
    if (type === 'BOOKMARK') {
      this.counters.bookmarks += 1;
      this.#hasBookmarks = true;
    } else {
      this.counters.events += 1;
      if (type === 'DELETED') table.remove(object);
      else table.put(this.#trimmed(object));
    }
    this.#expiries = 0;
    if (resourceVersion !== undefined && !isOlder(resourceVersion, this.#version)) this.#version = resourceVersion;
  }

  #replace(objects: ReadonlyMap<string, KubeObject>, version: string): void {
    this.counters.lists += 1;
    this.#options.table.replace(objects);
    this.#version = version;
    this.#progressed();
    this.#onSynced();
  }

  #keep(objects: Map<string, KubeObject>, object: KubeObject): void {
    objects.set(keyOfObject(object), this.#trimmed(object));
  }

  #trimmed(object: KubeObject): KubeObject {
    const { type, trim } = this.#options;
    const { group, version, kind } = type;
    // Items of lists have neither.
    const named = { ...object, apiVersion: group === '' ? version : `${group}/${version}`, kind };
    const trimmed = trimMetadata(named);
    return trim ? trim(trimmed) : trimmed;
  }

  #scope(): Pick<WatchOptions, 'namespace' | 'labelSelector' | 'fieldSelector' | 'metadataOnly'> {
    const { namespace = '', labelSelector, fieldSelector, metadataOnly } = this.#options;
    return { namespace, labelSelector, fieldSelector, metadataOnly };
  }
}

const UNREACHABLE = { code: 0, reason: 'Unreachable' } as const;
