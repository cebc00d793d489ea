/**
 * Kubernetes as a source of objects:
 *
 * ```text
 *   cache ──> translations ──> parts that changed ──> host ──> proxies
 *     │            │    └────> what Gateways need ──> infrastructure
 *     │            └─────────> plans of statuses ──┐
 *     └──> endpoints, by service                   ├──> writer ──> API server
 *                          host: how objects fare ─┘
 * ```
 */
import type { Logger } from '../../common/log.ts';
import { LONGEST_TIMER } from '../../common/timer.ts';
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import type { ConfigObject } from '../model/object.ts';
import type { ObjectSource, SourceHost } from '../model/source.ts';
import type { KubeReader, KubeTranslation, OwnedContent, StatusPlan } from './api/reader.ts';
import { Asked } from './asked.ts';
import { EndpointsFeed } from './endpoints-feed.ts';
import { Pace } from './pace.ts';
import { endpointsPartOf, Publication, toObject } from './publication.ts';
import { Renderings } from './renderings.ts';
import type { Cache, Changes, StatusWriter } from './runtime/index.ts';
import { STATUS_TYPES } from './watched-kinds.ts';

export interface TimedTranslation {
  /** When it is to be made again though nothing has changed, in ms since the epoch. */
  readonly again?: number;
}

export interface KubernetesSourceOptions {
  readonly cache: Cache;
  readonly writer: StatusWriter;
  /** All translations, in one. */
  readonly translate: (reader: KubeReader) => KubeTranslation & TimedTranslation;
  readonly log: Logger;
  /** How long proxies may be away before statuses say so, in ms. 15,000 when absent. */
  readonly patience?: number;
}

/** Changes of what is watched come together for so long, in ms. */
const QUIET_MS = 20;
const PATIENCE_MS = 15_000;
/** Statuses follow what proxies say after so long, in ms. */
const STATUS_QUIET_MS = 200;

export class KubernetesSource implements ObjectSource {
  readonly #options: KubernetesSourceOptions;
  readonly #host: SourceHost;
  readonly #endpoints: EndpointsFeed;
  readonly #publication = new Publication();
  readonly #translating: Pace;
  readonly #telling: Pace;
  readonly #renderings: Renderings;
  #plans: readonly StatusPlan[] = [];
  #again: NodeJS.Timeout | undefined;
  #waiting: NodeJS.Timeout | undefined;
  readonly #ends: (() => void)[] = [];
  /** Services whose endpoints are to be put, once those of before are. */
  readonly #due = new Set<string>();
  #putting: Promise<void> | undefined;

  constructor(host: SourceHost, options: KubernetesSourceOptions) {
    const { cache, log, patience = PATIENCE_MS } = options;
    this.#options = options;
    this.#renderings = new Renderings(patience);
    this.#host = host;
    this.#endpoints = new EndpointsFeed(cache.reader);
    this.#translating = new Pace({
      quiet: QUIET_MS,
      work: () => this.#translate(),
      onError: (error) => log.error({ error }, "Kubernetes' objects could not be translated: what was there stays"),
    });
    this.#telling = new Pace({
      quiet: STATUS_QUIET_MS,
      work: () => this.#tell(),
      onError: (error) => log.error({ error }, 'statuses could not be made'),
    });
  }

  /** By what the work is about. */
  get figures(): Readonly<Record<string, WorkFigures>> {
    return { translation: this.#translating, verdicts: this.#telling };
  }

  /** However long the API server is away: proxies have what they had. */
  async start(): Promise<void> {
    const { cache } = this.#options;
    await cache.synced;
    await this.#translate();
    const asked = new Asked(cache.reader, STATUS_TYPES.keys());
    this.#ends.push(
      cache.reader.onChange((changes) => this.#changed(changes, asked)),
      this.#host.onStatus(() => this.#telling.ask()),
    );
    this.#host.onLead(() => this.#telling.ask());
    // What came in between.
    this.#put(this.#endpoints.learn());
    this.#translating.ask();
  }

  /** What translations read beside the API server has changed. */
  refresh(): void {
    this.#translating.ask();
  }

  async reload(): Promise<void> {
    // It hears of all changes.
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    clearTimeout(this.#again);
    this.#due.clear();
    await this.#translating.close();
    await this.#telling.close();
    clearTimeout(this.#waiting);
    await this.#putting;
  }

  #changed(changes: Changes, asked: Asked): void {
    this.#put(this.#endpoints.changed(changes));
    if ([...asked.changed(changes)].some((kind) => kind !== 'EndpointSlice')) this.#translating.ask();
    // Somebody else may have written a status of ours.
    else if ([...STATUS_TYPES.keys()].some((kind) => changes.has(kind))) this.#telling.ask();
  }

  async #translate(): Promise<void> {
    const { cache, translate } = this.#options;
    const { objects, statuses, again } = translate(cache.reader);
    clearTimeout(this.#again);
    if (again !== undefined) {
      const wait = Math.min(Math.max(again - Date.now(), 0), LONGEST_TIMER);
      this.#again = setTimeout(() => this.#translating.ask(), wait).unref();
    }
    await this.#host.put(this.#changesOf(objects));
    this.#plans = statuses;
    this.#telling.ask();
  }

  #changesOf(objects: readonly OwnedContent[]): ReadonlyMap<string, readonly ConfigObject[]> {
    const changes = this.#publication.changes(objects);
    for (const [part, endpoints] of this.#partsOf(this.#endpoints.want(objects))) changes.set(part, endpoints);
    return changes;
  }

  #partsOf(services: Iterable<string>): Map<string, readonly ConfigObject[]> {
    return new Map(
      Array.from(services, (service) => {
        const part = endpointsPartOf(service);
        return [part, this.#endpoints.assignments(service).map((content) => toObject(content, part))];
      }),
    );
  }

  /** Changes that come while others are put go together after them: a storm costs no more memory than there are services. */
  #put(services: Iterable<string>): void {
    for (const service of services) this.#due.add(service);
    if (this.#due.size > 0) this.#putting ??= this.#putDue();
  }

  async #putDue(): Promise<void> {
    while (this.#due.size > 0) {
      const parts = this.#partsOf(this.#due);
      this.#due.clear();
      try {
        await this.#host.put(parts);
      } catch (error) {
        this.#options.log.error({ error }, 'endpoints could not be brought on their way: they are those of before');
      }
    }
    this.#putting = undefined;
  }

  #tell(): void {
    clearTimeout(this.#waiting);
    if (!this.#host.leads) {
      this.#renderings.forget();
      return;
    }
    const statusOf = this.#host.statusOf.bind(this.#host);
    this.#options.writer.set(this.#renderings.of(this.#plans, statusOf));
    const rest = this.#renderings.restAt(performance.now());
    if (rest !== undefined) this.#waiting = setTimeout(() => this.#telling.ask(), rest).unref();
  }
}
