/**
 * Joins what makes configuration: sources to translation to catalog, what proxies say to status, and the services that
 * show and change all that.
 *
 *     store ──> mirror ─┐
 *                       ├─> inventory ──> translator ──> pacer ──> catalog ──> views
 *     sources ──────────┘
 */
import type { ObjectFate, ObjectStatus, Proxy } from '../gen/messages.ts';
import type { Logger } from '../common/log.ts';
import { AudienceCatalog } from './catalog/catalog.ts';
import { Pacer, type PacerOptions } from './catalog/pacer.ts';
import type { View } from './core/catalog.ts';
import type { ChangeFacts, ChangeTracing, PushedTranslation } from './core/change-trace.ts';
import type { Service } from './core/rpc.ts';
import type { Store } from './core/store.ts';
import { Committer, supersede } from './live/committer.ts';
import { StoreMirror } from './live/mirror.ts';
import type { ConfigObject } from './model/object.ts';
import { positionOf } from './model/audience.ts';
import { candidateInput, isUnderWay, type RolloutRecord, type Standing } from './model/rollout-record.ts';
import type { SourceFactory, SourceHost } from './model/source.ts';
import { Rollouts, type RolloutOptions } from './rollout/controller.ts';
import { type Measure, measure, measureOf, standingsOf, sumMeasures } from './rollout/measure.ts';
import { createConfigService } from './service/config-service.ts';
import { Feeds } from './service/feed.ts';
import { showRolloutOfObject } from './service/rollout-request.ts';
import type { BackupFunctions } from './service/model.ts';
import { Inventory } from './sources/inventory.ts';
import { fateOf } from './status/fate.ts';
import { Replicas, type ReplicasOptions } from './status/replicas.ts';
import { createReportService } from './status/report-service.ts';
import type { Summary } from './status/summary.ts';
import type { FaultCount } from './status/failures.ts';
import { type Counts, Tracker, type TrackerOptions } from './status/tracker.ts';
import { TrafficBoard } from './status/traffic-board.ts';
import { checkChange } from './translate/check.ts';
import { Translator } from './translate/translator.ts';

export interface ConfigurationOptions extends BackupFunctions {
  readonly store: Store;
  readonly log: Logger;
  readonly createView: () => View;
  /** Names this control plane among its replicas. */
  readonly id: string;
  /** Several replicas are at the store: they tell each other of their proxies. */
  readonly replicated: boolean;
  /** Who records changes, if anybody. */
  readonly tracing?: ChangeTracing | undefined;
  /** Where objects come from beside the store. */
  readonly sources?: readonly SourceFactory[];
  /** For tests. */
  readonly pace?: Pick<PacerOptions, 'endpointsQuietMs' | 'configurationQuietMs' | 'longestMs'>;
  readonly rollouts?: Pick<RolloutOptions, 'grace' | 'interval'>;
  readonly replicas?: Pick<ReplicasOptions, 'interval' | 'silence' | 'forget'>;
  readonly tracker?: Pick<TrackerOptions, 'quiet'>;
  /** After its start, proxies that were connected before it may have yet to come back, in ms. 10,000 when absent. */
  readonly reconnectMs?: number;
}

/** How much there is, for metrics. */
export interface ConfigurationFigures {
  readonly objects: number;
  /** Objects that can't be used. */
  readonly quarantined: number;
  readonly proxies: number;
  /** Sets of proxies that see the same. */
  readonly views: number;
  /** What proxies refused, or what fails in them. */
  readonly faults: readonly FaultCount[];
  /** Times that a change could not be brought to proxies. */
  readonly pushFailures: number;
  /** The store's revision that proxies are given. */
  readonly revision: number;
  readonly leads: boolean;
}

export interface Configuration {
  readonly catalog: AudienceCatalog;
  readonly services: readonly Service[];
  /** What proxies tell of their sessions. */
  readonly board: TrafficBoard;
  readonly figures: () => ConfigurationFigures;
  /** Resolves when everything is read and in the views: from then on proxies may come. @throws Error as of the folder. */
  start(): Promise<void>;
  /** Reads the files of the folder that have changed, now. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

const NO_COUNTS: Counts = { selected: 0, acked: 0, serving: 0, failed: [] };
/** In summaries. */
const MAX_FAILED = 5;
/** By then proxies have tried again a few times. */
const RECONNECT_MS = 10_000;

export function createConfiguration(options: ConfigurationOptions): Configuration {
  const { store, log, createView, id: controlPlane, backup, restore, tracing } = options;
  const stopped = new AbortController();
  const mirror = new StoreMirror(store, log);
  const board = new TrafficBoard();
  const inventory = new Inventory(mirror);
  const translator = new Translator();
  const feeds = new Feeds();
  const committer = new Committer(store, mirror);
  committer.onTraced = (version, trace) => tracing?.expect(version, trace);
  const catalog: AudienceCatalog = new AudienceCatalog({ createView, observe: (event) => tracker.observe(event) });
  const tracker = new Tracker({
    ...options.tracker,
    viewOf: (id) => catalog.viewOf(id),
    referrersOf: (resource) => translator.claims.referrersOf(resource),
  });
  const pacer = new Pacer({
    ...options.pace,
    apply: async (translation) => {
      const traced = tracing?.push(translation);
      try {
        await catalog.apply(translation);
      } catch (error) {
        traced?.failed(error);
        throw error;
      }
      traced?.applied(countConcerned(translation));
      tracker.changed();
    },
    current: (id) => catalog.translated(id),
    log,
  });
  let leads = false;
  /** Until then nobody can tell that an object is for no proxy. */
  let awaited: NodeJS.Timeout | undefined;

  const heardOfOthers = new Set<() => void>();
  const replicas = options.replicated
    ? new Replicas({
        ...options.replicas,
        id: controlPlane,
        store,
        log,
        summarize,
        applied: () => pacer.revision,
        connectedSince: (proxy) => tracker.connectedSince(proxy),
        onChange: () => {
          for (const listener of heardOfOthers) listener();
        },
      })
    : undefined;
  const rollouts = new Rollouts({
    ...options.rollouts,
    mirror,
    committer,
    log,
    measure: measureAll,
    isConnected: (proxy) => tracker.has(proxy) || (replicas?.hasProxy(proxy) ?? false),
    leads: () => leads,
  });
  const heardOfLead: (() => void)[] = [];
  const host: SourceHost = {
    put: (change) =>
      inTurn(() => {
        const draft = inventory.draft();
        const ids = new Set<string>();
        for (const [source, objects] of change)
          for (const id of draft.inventory.setSource(source, objects)) ids.add(id);
        const facts = { sources: [...change.keys()], objects: ids, revision: mirror.revision };
        return update(draft, facts, () => undefined);
      }),
    statusOf: (id) => {
      const object = inventory.get(id);
      return object && statusOf(object);
    },
    onStatus,
    get leads() {
      return leads;
    },
    onLead: (listener) => void heardOfLead.push(listener),
  };
  const sources = (options.sources ?? []).map((create) => create(host));

  mirror.onChange = ({ objects, rollouts: changed, revision, version, after, commit }) =>
    inTurn(() => {
      const draft = inventory.draft(after);
      const ids = new Set(objects);
      for (const rollout of changed) for (const id of draft.inventory.setRollout(rollout)) ids.add(id);
      return update(draft, { sources: ['store'], objects: ids, revision, version }, commit);
    });
  tracker.onChange(() => replicas?.changed());

  function setLeads(now: boolean): void {
    leads = now;
    for (const listener of heardOfLead) listener();
  }

  /** Changes come one after the other, whatever source they are from: each is thought through on what the last one left. */
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  async function update(
    draft: ReturnType<Inventory['draft']>,
    facts: ChangeFacts,
    commitSource: () => void,
  ): Promise<void> {
    const { objects: ids } = facts;
    const traced = ids.size > 0 ? tracing?.begin(facts) : undefined;
    const { translation, commit } = await stage(draft, ids).catch((error: unknown) => {
      traced?.failed(error);
      throw error;
    });
    if (stopped.signal.aborted) {
      traced?.dropped();
      return;
    }
    traced?.translated(translation);
    // In one go: whoever reads finds all of the old, or all of the new.
    commitSource();
    draft.commit();
    commit();
    pacer.take(translation, mirror.revision);
    feeds.tell([...ids, ...translation.restated]);
    tracker.changed();
  }

  async function stage(draft: ReturnType<Inventory['draft']>, ids: ReadonlySet<string>) {
    const { upsert, remove } = await draft.inventory.changes(ids);
    return translator.stage(upsert, remove);
  }

  /** The proxies here that get something of it. */
  function countConcerned({ upsert }: PushedTranslation): number {
    const shelves = new Set(upsert.flatMap(({ id }) => catalog.find(id)?.audiences ?? []));
    return [...shelves].reduce((sum, { size }) => sum + size, 0);
  }

  /** In the proxies that are connected here. */
  function countHere({ id, version }: ConfigObject): Counts {
    const placed = catalog.find(id);
    if (placed === undefined) return NO_COUNTS;
    const counts = tracker.count(placed.translated.resources, placed.audiences);
    // Where the last good one is another, or the views are not there yet, nobody has this one.
    return placed.translated.version === version ? counts : { ...NO_COUNTS, selected: counts.selected };
  }

  function statusOf(object: ConfigObject): ObjectStatus {
    const here = countHere(object);
    const there = replicas?.counts(object.id, object.version) ?? NO_COUNTS;
    const rollout = inventory.rolloutOf(object.id);
    const { accepted, faults } = translator.verdict(object.id) ?? { accepted: false, faults: [] };
    return {
      accepted,
      faults,
      warnings: translator.warnings(object.id),
      selected: here.selected + there.selected,
      acked: here.acked + there.acked,
      serving: here.serving + there.serving,
      failed: [...here.failed, ...there.failed].slice(0, 100),
      shadowed_by: '',
      ...(rollout && { rollout: showRolloutOfObject(rollout) }),
    };
  }

  /** While a rollout is under way, of the version that the proxy is given. */
  function fateIn(object: ConfigObject, proxy: Proxy): ObjectFate {
    const rollout = inventory.rolloutOf(object.id);
    const isAhead = rollout !== undefined && positionOf(proxy.id) < rollout.threshold;
    const given = isAhead ? mirror.candidates.get(rollout.id)?.get(object.id) : object;
    if (given === undefined) return { state: 'removed', reason: '', version: '' };
    const placed = catalog.translated(isAhead ? candidateInput(rollout.id, object.id) : object.id);
    const { version } = given;
    if (placed?.version !== version) {
      return { state: 'invalid', reason: 'it is not valid: what was there before stays', version };
    }
    const fate = fateOf(proxy, placed.resources);
    // More may be known of one that is connected here than what is shown of it.
    const standing = fate.state === 'acked' ? tracker.standing(proxy.id, placed.resources) : undefined;
    if (standing === undefined) return { ...fate, version };
    return standing === 'serving'
      ? { state: standing, reason: '', version }
      : { state: standing.kind, reason: standing.message, version };
  }

  function onStatus(listener: () => void): () => void {
    const end = tracker.onChange(listener);
    heardOfOthers.add(listener);
    return () => {
      heardOfOthers.delete(listener);
      end();
    };
  }

  function measureHere(rollout: RolloutRecord): Measure {
    return measure(rollout, {
      find: (id) => catalog.find(id),
      candidateOf: (id, objectId) => mirror.candidates.get(id)?.get(objectId),
      nodes: () => tracker.nodes(),
      askedOf: (proxy, resources) => tracker.askedOf(proxy, resources),
      hasAcked: (proxy, resources) => tracker.hasAcked(proxy, resources),
      hasLetGo: (proxy, resources) => tracker.hasLetGo(proxy, resources),
      failuresOf: (resources, audiences) => tracker.failuresOf(resources, audiences),
    });
  }

  function behind(revision: number): readonly string[] {
    return replicas?.behind(revision) ?? [];
  }

  function measureAll(rollout: RolloutRecord): Measure {
    const others = [...(replicas?.standings(rollout.id) ?? [])].map(measureOf);
    const sum = sumMeasures(measureHere(rollout), others);
    return { ...sum, current: sum.current && behind(rollout.revision).length === 0 };
  }

  /** One that is connected here is not elsewhere any more, whatever was said there before that was killed. */
  function proxiesElsewhere(): readonly Proxy[] {
    return [...(replicas?.proxies() ?? [])].flatMap(([id, proxy]) => (tracker.has(id) ? [] : [proxy]));
  }

  function* proxies(): Iterable<Proxy> {
    yield* tracker.show(controlPlane);
    yield* proxiesElsewhere();
  }

  function summarize(): Summary {
    const objects: Record<string, Summary['objects'][string]> = {};
    for (const object of inventory.objects()) {
      const { failed, ...counts } = countHere(object);
      if (counts.selected === 0) continue;
      objects[object.id] = { version: object.version, ...counts, failed: failed.slice(0, MAX_FAILED) };
    }
    const rollouts: Record<string, Record<string, Standing>> = {};
    for (const rollout of mirror.rollouts.values()) {
      if (!isUnderWay(rollout)) continue;
      for (const [proxy, standing] of standingsOf(measureHere(rollout))) {
        (rollouts[proxy] ??= {})[rollout.id] = standing;
      }
    }
    const proxies = Object.fromEntries([...tracker.show(controlPlane)].map((proxy) => [proxy.id, proxy]));
    return { proxies, objects, rollouts };
  }

  const service = createConfigService(
    {
      backup,
      restore,
      store,
      mirror,
      committer,
      supersede: (ids, reason) => supersede(mirror, ids, reason),
      rollouts,
      check: (proposal) => checkChange(translator, proposal, (id) => inventory.isElsewhere(id)),
      get: (id) => inventory.get(id),
      rolloutOf: (id) => inventory.rolloutOf(id),
      objects: () => inventory.objects(),
      shadowed: () => inventory.shadowed(),
      statusOf,
      fateOf: fateIn,
      proxies,
      badFiles: () => sources.flatMap((source) => source.bad?.() ?? []),
      awaitsProxies: () => awaited !== undefined,
      countProxies: () => catalog.proxies + proxiesElsewhere().length,
      applied: () => pacer.revision,
      behind,
      feeds,
      onStatus,
    },
    log,
  );

  return {
    catalog,
    board,
    services: [service, createReportService(tracker, board, log)],
    figures: () => {
      const objects = [...inventory.objects()];
      return {
        objects: objects.length,
        quarantined: objects.filter(({ id }) => translator.verdict(id)?.accepted !== true).length,
        proxies: catalog.proxies,
        views: catalog.views,
        faults: tracker.faults(),
        pushFailures: pacer.failures,
        revision: pacer.revision,
        leads,
      };
    },
    async start() {
      await mirror.start(stopped.signal);
      await Promise.all(sources.map((source) => source.start()));
      await pacer.flush();
      await replicas?.start(stopped.signal);
      const lead = store.lead('controlplane', setLeads, stopped.signal);
      lead.catch((error: unknown) => {
        if (!stopped.signal.aborted) log.error({ error: String(error) }, 'this replica does not lead any more');
      });
      rollouts.start();
      awaited = setTimeout(() => {
        awaited = undefined;
        tracker.changed();
      }, options.reconnectMs ?? RECONNECT_MS).unref();
    },
    async reload() {
      await Promise.all(sources.map((source) => source.reload()));
    },
    async close() {
      clearTimeout(awaited);
      await rollouts.close();
      await Promise.all(sources.map((source) => source.close()));
      await replicas?.close();
      stopped.abort();
      await turn;
      await pacer.close();
      catalog.close();
      tracker.close();
    },
  };
}
