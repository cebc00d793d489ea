/** Calls to the API server: any kind by its URL, one page or one object at a time, and watches. */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { pause } from '../../../common/signal.ts';
import type { KubeObject } from '../api/object.ts';
import { errorOfAnswer, KubeError } from './errors.ts';
import { jsonLines } from './json-lines.ts';
import { type Access, type KubeConfigOptions, openAccess } from './kube-config.ts';
import type { ObjectName, ResourceType } from '../api/addressing.ts';
import { collectionPath, describe, objectPath } from './resource-type.ts';
import { badAnswer, Deadline, type Exchange, isIdempotent, readBody, send, unreached } from './transport.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For each try, in ms; 30,000 when absent. */
  readonly timeoutMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** As in `status`. */
  readonly subresource?: string;
  /** Not made again where no answer tells whether it was made: a conflict is never with itself then. */
  readonly once?: boolean;
  /** Checked and thrown away by the server. */
  readonly dryRun?: boolean;
  /** `FIELD_MANAGER` when absent. */
  readonly fieldManager?: string;
}

export interface DeleteOptions extends CallOptions {
  /** Only where it still is that very object; otherwise it is a conflict. */
  readonly uid?: string | undefined;
  /** Only as it is. */
  readonly resourceVersion?: string | undefined;
  /** Checked, and not done. */
  readonly dryRun?: boolean;
}

export interface ListOptions extends CallOptions {
  /** Empty: all. */
  readonly namespace: string;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number;
  readonly continue?: string;
  /** Only `metadata` of each is sent: `PartialObjectMetadata`. */
  readonly metadataOnly?: boolean | undefined;
}

export interface Page {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  /** Empty: it was the last page. */
  readonly continue: string;
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue' | 'timeoutMs'> {
  /** Events after it; empty: as of now. */
  readonly resourceVersion: string;
  /** What is there comes first, and a bookmark with `INITIAL_EVENTS_END` after it (KEP-3157). */
  readonly sendInitialEvents?: boolean;
  /** After which the server ends it, in s. */
  readonly timeoutSeconds: number;
  /** How long it may be silent before it is taken for lost, in ms; asked for after each chunk. */
  readonly silenceMs: () => number;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

/** The annotation of the bookmark after what was there. */
export const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** Who is shown in `managedFields`, and owns what is applied. */
export const FIELD_MANAGER = 'l7mp';

const TIMEOUT_MS = 30_000;
/** Tries of a call that the server asks to make again. */
const MAX_TRIES = 5;
/** The longest that a server is listened to, and the shortest pause of one that gives no time, in ms. */
const MAX_RETRY_MS = 30_000;
const RETRY_MS = 500;
/** An object has at most 1.5 MiB in etcd, and less than this in JSON. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** Calls by what they are for: plain numbers. */
export interface ClientCounters {
  requests: number;
  retries: number;
}

/** Opens what a kubeconfig, or the pod's service account, leads to. Nothing is sent yet. @throws KubeError */
export async function openClient(options: KubeConfigOptions = {}): Promise<KubeClient> {
  return new KubeClient(await openAccess(options));
}

/** All methods throw KubeError. */
export class KubeClient {
  readonly counters: ClientCounters = { requests: 0, retries: 0 };
  readonly #access: Access;
  readonly #closing = new AbortController();

  constructor(access: Access) {
    this.#access = access;
    setMaxListeners(0, this.#closing.signal); // one for each call that runs
  }

  /** The namespace that the kubeconfig or the pod is in. */
  get namespace(): string {
    return this.#access.namespace;
  }

  /** Any path, as of discovery. */
  async read(path: string, options: CallOptions = {}): Promise<unknown> {
    return this.#call({ what: `get ${path}`, method: 'GET', path }, options);
  }

  async get<Kind extends KubeObject>(type: ResourceType, name: ObjectName, options: CallOptions = {}): Promise<Kind> {
    const exchange = { what: `get ${describe(type, name)}`, method: 'GET', path: objectPath(type, name) } as const;
    return (await this.#call(exchange, options)) as Kind;
  }

  async list(type: ResourceType, options: ListOptions): Promise<Page> {
    const { namespace, limit } = options;
    const answer = (await this.#call(
      {
        what: `list ${type.plural}`,
        method: 'GET',
        path: collectionPath(type, namespace),
        query: { ...selectors(options), limit: limit?.toString(), continue: options.continue },
        headers: accept(options, 'PartialObjectMetadataList'),
      },
      options,
    )) as Partial<{ items: KubeObject[] | null; metadata: { resourceVersion?: string; continue?: string } }>;
    const { metadata } = answer;
    // An empty list of metadata has none.
    const items = answer.items === null ? [] : answer.items;
    if (!Array.isArray(items) || metadata?.resourceVersion === undefined) {
      throw badAnswer(`list ${type.plural}`, new TypeError('no list'));
    }
    return { items, resourceVersion: metadata.resourceVersion, continue: metadata.continue ?? '' };
  }

  /**
   * Events as they come, those of one read together, until the server ends it. What is wrong with it, also as an event, is
   * thrown; `isExpired` tells that the version is too old.
   */
  async *watch(type: ResourceType, options: WatchOptions): AsyncGenerator<WatchEvent[]> {
    const { namespace, resourceVersion, sendInitialEvents, timeoutSeconds, silenceMs, signal } = options;
    const what = `watch ${type.plural}`;
    const exchange: Exchange = {
      what,
      method: 'GET',
      path: collectionPath(type, namespace),
      query: {
        ...selectors(options),
        watch: '1',
        allowWatchBookmarks: 'true',
        timeoutSeconds: timeoutSeconds.toString(),
        ...(resourceVersion !== '' && { resourceVersion }),
        ...(sendInitialEvents === true && { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }),
      },
      headers: accept(options, 'PartialObjectMetadata'),
    };
    const deadline = this.#deadline(signal, TIMEOUT_MS);
    try {
      this.counters.requests += 1;
      const answer = await send(this.#access, exchange, deadline.signal);
      if (answer.statusCode !== 200) throw await refusal(what, answer, deadline.signal);
      deadline.move(silenceMs(), 'an event');
      for await (const values of jsonLines(answer as AsyncIterable<Buffer>, MAX_EVENT_BYTES)) {
        yield values.map((value) => eventOf(what, value));
        deadline.move(silenceMs(), 'an event');
      }
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof RangeError) throw badAnswer(what, error);
      throw unreached(what, error, deadline.signal);
    } finally {
      deadline.clear();
    }
  }

  async create<Kind extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    options: WriteOptions = {},
  ): Promise<Kind> {
    const { name, namespace = '' } = object.metadata;
    const what = `create ${describe(type, { namespace, name })}`;
    return (await this.#write(what, 'POST', collectionPath(type, namespace), JSON_TYPE, object, options)) as Kind;
  }

  /** Fails with a conflict where `metadata.resourceVersion` isn't the object's. */
  async replace<Kind extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    options: WriteOptions = {},
  ): Promise<Kind> {
    const { name, namespace = '' } = object.metadata;
    const what = `replace ${describe(type, { namespace, name })}`;
    const path = objectPath(type, { namespace, name }, options.subresource);
    return (await this.#write(what, 'PUT', path, JSON_TYPE, object, options)) as Kind;
  }

  /**
   * Server-side apply: makes the object, or gives the fields that it names these values. `force`: also those that others own;
   * otherwise these are a conflict.
   */
  async apply<Kind extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    { force = false, ...options }: WriteOptions & { readonly force?: boolean } = {},
  ): Promise<Kind> {
    const { name, namespace = '' } = object.metadata;
    const what = `apply ${describe(type, { namespace, name })}`;
    const path = objectPath(type, { namespace, name }, options.subresource);
    return (await this.#write(what, 'PATCH', path, APPLY_TYPE, object, options, { force: String(force) })) as Kind;
  }

  /** RFC 7396. */
  async mergePatch<Kind extends KubeObject>(
    type: ResourceType,
    name: ObjectName,
    patch: object,
    options: WriteOptions = {},
  ): Promise<Kind> {
    const path = objectPath(type, name, options.subresource);
    return (await this.#write(`patch ${describe(type, name)}`, 'PATCH', path, MERGE_TYPE, patch, options)) as Kind;
  }

  /** RFC 6902. */
  async jsonPatch<Kind extends KubeObject>(
    type: ResourceType,
    name: ObjectName,
    patch: readonly object[],
    options: WriteOptions = {},
  ): Promise<Kind> {
    const path = objectPath(type, name, options.subresource);
    return (await this.#write(`patch ${describe(type, name)}`, 'PATCH', path, JSON_PATCH_TYPE, patch, options)) as Kind;
  }

  /** What depends on it goes after it. */
  async delete(
    type: ResourceType,
    name: ObjectName,
    { uid, resourceVersion, dryRun = false, ...options }: DeleteOptions = {},
  ): Promise<void> {
    const body = {
      propagationPolicy: 'Background',
      preconditions: { uid, resourceVersion },
      ...(dryRun && { dryRun: ['All'] }),
    };
    const exchange: Exchange = {
      what: `delete ${describe(type, name)}`,
      method: 'DELETE',
      path: objectPath(type, name),
      headers: { 'content-type': JSON_TYPE },
      body: JSON.stringify(body),
    };
    await this.#call(exchange, options);
  }

  /** What runs ends with an error; connections are closed. */
  close(): void {
    this.#closing.abort();
    this.#access.close();
  }

  #write(
    what: string,
    method: Exchange['method'],
    path: string,
    contentType: string,
    body: object,
    options: WriteOptions,
    more: Readonly<Record<string, string>> = {},
  ): Promise<unknown> {
    const { fieldManager = FIELD_MANAGER } = options;
    const query = { fieldManager, ...(options.dryRun === true && { dryRun: 'All' }), ...more };
    const headers = { 'content-type': contentType };
    const json = JSON.stringify(body);
    const text = contentType === APPLY_TYPE ? json.replace(NOT_IN_YAML, escapeOf) : json;
    const once = options.once === true;
    return this.#call({ what, method, path, query, headers, body: text, once }, options);
  }

  /** One call with its tries. */
  async #call(exchange: Exchange, { signal, timeoutMs = TIMEOUT_MS }: CallOptions): Promise<unknown> {
    for (let tries = 1; ; tries++) {
      const deadline = this.#deadline(signal, timeoutMs);
      let wait: number | undefined;
      try {
        this.counters.requests += 1;
        const answer = await send(this.#access, exchange, deadline.signal);
        const { statusCode = 0 } = answer;
        if (statusCode >= 200 && statusCode < 300) return await readBody(exchange.what, answer, deadline.signal);
        const error = await refusal(exchange.what, answer, deadline.signal);
        wait = retryDelay(error, exchange, tries);
        if (wait === undefined) throw error;
      } finally {
        deadline.clear();
      }
      this.counters.retries += 1;
      await pause(wait, signal);
    }
  }

  #deadline(signal: AbortSignal | undefined, ms: number): Deadline {
    const closing = this.#closing.signal;
    return new Deadline(signal ? [closing, signal] : [closing], ms, 'an answer');
  }
}

const JSON_TYPE = 'application/json';
const APPLY_TYPE = 'application/apply-patch+yaml';
/** What JSON has as it is, and YAML, as which these are read, does not have (YAML 1.2, 5.1), or folds as a line's end (YAML 1.1). */
const NOT_IN_YAML = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/gu;
const MERGE_TYPE = 'application/merge-patch+json';
const JSON_PATCH_TYPE = 'application/json-patch+json';

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function selectors({
  labelSelector,
  fieldSelector,
}: Pick<ListOptions, 'labelSelector' | 'fieldSelector'>): Exchange['query'] {
  return { labelSelector, fieldSelector };
}

function accept({ metadataOnly }: Pick<ListOptions, 'metadataOnly'>, as: string): Record<string, string> {
  return metadataOnly === true ? { accept: `application/json;as=${as};g=meta.k8s.io;v=v1,application/json` } : {};
}

async function refusal(what: string, answer: IncomingMessage, signal: AbortSignal): Promise<KubeError> {
  const seconds = Number(answer.headers['retry-after']);
  const body = await readBody(what, answer, signal);
  return errorOfAnswer(what, answer.statusCode ?? 0, body, seconds > 0 ? seconds * 1000 : undefined);
}

/**
 * How long to wait before the call is made again; undefined: it isn't. What the server refused before it did anything (429, 503)
 * may be made again whatever it is; where it only gave up waiting, it must not be a creation.
 */
function retryDelay({ code, reason, retryAfterMs }: KubeError, exchange: Exchange, tries: number): number | undefined {
  if (tries >= MAX_TRIES) return undefined;
  // A proxy on the way may say 503 of what has reached the server.
  const refused = code === 429 || (code === 503 && exchange.once !== true);
  const gaveUp = code === 504 || (code === 500 && (reason === 'Timeout' || reason === 'ServerTimeout'));
  if (!refused && !(gaveUp && isIdempotent(exchange))) return undefined;
  const least = Math.min(retryAfterMs ?? RETRY_MS * 2 ** (tries - 1), MAX_RETRY_MS);
  // Never before the time that was asked for, and not all at once after it.
  return least * (1 + Math.random() / 4);
}

function eventOf(what: string, value: unknown): WatchEvent {
  const { type, object } = value as Partial<{ type: string; object: KubeObject & { code?: number } }>;
  if (type === 'ERROR') throw errorOfAnswer(what, object?.code ?? 500, object);
  if (object === undefined || !['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'].includes(type ?? '')) {
    throw badAnswer(what, new TypeError('no event'));
  }
  return { type: type as WatchEvent['type'], object };
}
