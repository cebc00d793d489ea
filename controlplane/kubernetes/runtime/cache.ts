/** All kinds that are watched, in one indexer: a reflector for each that the server has, for as long as it has it. */
import type { Logger } from '../../../common/log.ts';
import type { KubeClient } from './client.ts';
import { Indexer, type IndexerOptions, type KindName } from './indexer.ts';
import { Reflector, type ReflectorCounters, type ReflectorState, type ReflectorTiming } from './reflector.ts';
import type { ResourceType } from '../api/addressing.ts';
import { ServedKinds } from './served-kinds.ts';
import type { Trim } from './trim.ts';

/** A kind that is watched, and what of it. */
export interface WatchedKind {
  readonly type: ResourceType;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Empty or absent: all. */
  readonly namespace?: string;
  readonly trim?: Trim;
}

export interface CacheOptions extends IndexerOptions {
  readonly client: KubeClient;
  readonly kinds: ReadonlyMap<KindName, WatchedKind>;
  readonly log: Logger;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface KindState extends Readonly<ReflectorCounters> {
  readonly kind: KindName;
  readonly state: ReflectorState;
  readonly fault: string | undefined;
  /** Objects that are held. */
  readonly objects: number;
}

export class Cache {
  readonly reader: Indexer;
  /** Resolves once all that was there at the start is held; never rejects. */
  readonly synced: Promise<void>;
  readonly #options: CacheOptions;
  readonly #served: ServedKinds;
  readonly #reflectors = new Map<KindName, Reflector>();
  readonly #ending = new Set<Promise<void>>();

  constructor(options: CacheOptions) {
    this.#options = options;
    this.reader = new Indexer(options);
    const { client, kinds, log, timing } = options;
    const types = new Map(Array.from(kinds, ([kind, { type }]) => [kind, type]));
    const onChange = (kind: KindName, served: boolean): void => (served ? this.#open(kind) : this.#drop(kind));
    this.#served = new ServedKinds({ client, types, onChange, log, timing });
    this.synced = this.#served.synced.then(async () => {
      await Promise.all(Array.from(this.#reflectors.values(), ({ synced }) => synced));
    });
  }

  /** How it goes, by kind that is there: for readiness, metrics and people. */
  *states(): Iterable<KindState> {
    for (const [kind, { counters, state, fault }] of this.#reflectors) {
      yield { kind, state, fault, objects: this.reader.size(kind), ...counters };
    }
  }

  async close(): Promise<void> {
    await this.#served.close();
    for (const reflector of this.#reflectors.values()) this.#end(reflector);
    await Promise.all(this.#ending);
    this.reader.close();
  }

  #open(kind: KindName): void {
    const { client, kinds, log, timing } = this.#options;
    const watched = kinds.get(kind);
    if (!watched) return;
    const table = this.reader.open(kind);
    this.#reflectors.set(kind, new Reflector({ client, table, log, ...watched, ...(timing && { timing }) }));
  }

  #drop(kind: KindName): void {
    const reflector = this.#reflectors.get(kind);
    this.#reflectors.delete(kind);
    this.reader.drop(kind);
    if (reflector) this.#end(reflector);
  }

  #end(reflector: Reflector): void {
    const ending = reflector.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}
