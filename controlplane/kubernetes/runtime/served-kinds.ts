/** Which kinds the server has, now and later: by discovery, asked again when a CustomResourceDefinition changes. */
import type { Logger } from '../../../common/log.ts';
import { pause } from '../../../common/signal.ts';
import { DEFINITION } from '../api/core-types.ts';
import type { KubeObject } from '../api/object.ts';
import type { KubeClient } from './client.ts';
import { isNotFound } from './errors.ts';
import type { KindName } from './indexer.ts';
import { Reflector, type ReflectorTiming } from './reflector.ts';
import type { ResourceType } from '../api/addressing.ts';
import { apiVersionOf } from './resource-type.ts';
import { keyOf, Table } from './table.ts';
import { WorkQueue } from './work-queue.ts';

export interface ServedKindsOptions {
  readonly client: KubeClient;
  readonly types: ReadonlyMap<KindName, ResourceType>;
  /** Called once for each kind that is there, and whenever one comes or goes. */
  readonly onChange: (kind: KindName, served: boolean) => void;
  readonly log: Logger;
  readonly timing?: Partial<ReflectorTiming> | undefined;
}

/** How long the definitions are waited for before discovery is asked without them, in ms. */
const PATIENCE_MS = 5000;
/** A definition is there some time before what it defines is served: asked so often, over half a minute. */
const MAX_TRIES = 8;

/**
 * A watch of definitions, of whose objects only `metadata` is sent, costs nothing at rest. The kinds of Kubernetes' own are held for
 * there.
 */
export class ServedKinds {
  /** Resolves once it is known which are there; never rejects. */
  readonly synced: Promise<void>;
  readonly reflector: Reflector;
  readonly #options: ServedKindsOptions;
  readonly #served = new Set<KindName>();
  readonly #definitions: Table;
  /** By kind. */
  readonly #queue: WorkQueue;
  readonly #closing = new AbortController();
  #isStarted = false;

  constructor(options: ServedKindsOptions) {
    this.#options = options;
    const { client, log, timing } = options;
    this.#queue = new WorkQueue({
      work: (kind, signal) => this.#check(kind as KindName, signal),
      onFailure: (kind, _error, failures) => failures >= MAX_TRIES && this.#queue.drop(kind),
      concurrency: 4,
    });
    this.#definitions = new Table({}, (key) => this.#changed(key));
    const trim = ({ apiVersion, kind, metadata }: KubeObject): KubeObject => {
      const { name, uid, resourceVersion } = metadata;
      return { apiVersion, kind, metadata: { name, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) } };
    };
    this.reflector = new Reflector({
      client,
      type: DEFINITION,
      table: this.#definitions,
      metadataOnly: true,
      trim,
      log,
      ...(timing && { timing }),
    });
    this.synced = this.#start();
  }

  has(kind: KindName): boolean {
    return this.#served.has(kind);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.reflector.close(), this.#queue.close(), this.synced]);
  }

  async #start(): Promise<void> {
    const { types } = this.#options;
    const { signal } = this.#closing;
    for (const [kind, { custom }] of types) if (custom !== true) this.#set(kind, true);
    const patience = new AbortController();
    const over = (): void => patience.abort();
    signal.addEventListener('abort', over, { once: true });
    await Promise.race([this.reflector.synced, pause(PATIENCE_MS, patience.signal)]);
    patience.abort();
    signal.removeEventListener('abort', over);
    this.#isStarted = true;
    for (const [kind, { custom }] of types) if (custom === true) this.#queue.add(kind);
    await this.#queue.idle();
  }

  #changed(key: string): void {
    if (!this.#isStarted) return;
    for (const [kind, type] of this.#options.types) if (key === definitionKey(type)) this.#queue.add(kind);
  }

  /** Fails where it may be there soon. */
  async #check(kind: KindName, signal: AbortSignal): Promise<void> {
    const { types, client } = this.#options;
    const type = types.get(kind);
    if (!type) return;
    const isListed = this.reflector.counters.lists > 0;
    const isDefined = this.#definitions.get(definitionKey(type)) !== undefined;
    if (isListed && !isDefined) return this.#set(kind, false);
    const { plural, group, version } = type;
    let found: { readonly resources?: readonly { readonly name: string }[] } = {};
    try {
      found = (await client.read(`/apis/${group}/${version}`, { signal })) as typeof found;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const served = found.resources?.some(({ name }) => name === plural) === true;
    this.#set(kind, served);
    if (!served && isDefined) throw new Error(`${apiVersionOf(type)} ${kind}: it is defined, and not served`);
  }

  #set(kind: KindName, served: boolean): void {
    if (this.#served.has(kind) === served || this.#closing.signal.aborted) return;
    if (served) this.#served.add(kind);
    else this.#served.delete(kind);
    this.#options.onChange(kind, served);
  }
}

function definitionKey({ plural, group }: ResourceType): string {
  return keyOf('', `${plural}.${group}`);
}
