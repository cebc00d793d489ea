/**
 * Makes the live objects follow the configuration, one change after the other, each as a whole or not at all:
 *
 * ```
 *   construct what is new ──▶ stop what goes ──▶ swap the snapshot ──▶ start what came ──▶ settle the rest
 *              │ faults           what was stopped is started again  ◀──┘ faults
 *              ▼
 *           nothing has changed
 * ```
 *
 * A listener whose spec stays is not touched: its rules and limits are swapped under it. A cluster whose spec stays
 * keeps its endpoints' state. Sessions keep the snapshot that they were routed with. What the control plane gave and
 * can't be made live does not fail the change: it is settled by itself (see `Listeners`).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import { withAssigned, assignmentOf } from '../core/assigned.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import { LIST_OF } from '../../config/kinds.ts';
import type { ConfigDelta, ConfigSink, ConfigSnapshot, Kind, Source } from '../../config/snapshot.ts';
import { type Fault, FaultsError, ProxyError } from '../../common/errors.ts';
import type { AnyProtocol, Connector, Listener } from '../core/protocol.ts';
import type { SecretSource } from '../../common/secrets.ts';
import type { Serving } from '../core/serving.ts';
import {
  faultsAt,
  listenFault,
  Listeners,
  type ListenersOptions,
  type LiveListener,
  needControlPlane,
} from './listeners.ts';
import { MissingObjects } from './missing.ts';
import { withDelta, withLocal } from './plan.ts';

export type { Door } from './listeners.ts';

/** A cluster that follows its configuration. */
export interface LiveCluster extends ClusterHandle {
  /** Takes a configuration with the same spec: endpoints that stay keep their state. */
  update(config: Cluster, awaited: boolean): void;
  /** Whether its endpoints are still to come, or to be looked up for the first time. */
  readonly pending: boolean;
  start(): void;
  close(): Promise<void>;
}

/** Who listens, too, but not by the configuration. */
export interface Neighbour {
  /** Finds out whether it could listen, without doing so. Rejects where it can't. */
  check(next: ConfigSnapshot): Promise<void>;
  /** Stops listening where the configuration to come wants its port. */
  makeRoom(next: ConfigSnapshot): Promise<void>;
  /** Listens where the configuration leaves its port free. Rejects where it can't. */
  follow(current: ConfigSnapshot): Promise<void>;
}

export interface ReconcilerOptions<C extends LiveCluster> extends ListenersOptions {
  /** `awaited`: its endpoints are still to come from the control plane. */
  readonly makeCluster: (config: Cluster, connector: Connector, protocol: AnyProtocol, awaited: boolean) => C;
  /** Nobody when absent. */
  readonly neighbour?: Neighbour | undefined;
}

/** What a change is made of, ready to be swapped in. */
interface Construction<C> {
  /** All clusters of the next snapshot: those that stay, and the new ones. */
  readonly clusters: ReadonlyMap<string, C>;
  readonly freshClusters: readonly C[];
  /** New, or of another spec than before; not started. */
  readonly freshListeners: ReadonlyMap<string, LiveListener>;
  /** Clusters of the control plane that can't be made: why. */
  readonly failures: ReadonlyMap<string, string>;
}

/** What is live: swapped as a whole. */
export interface Live<C extends LiveCluster> {
  readonly snapshot: ConfigSnapshot;
  readonly clusters: ReadonlyMap<string, C>;
}

/** How long until clusters that can't be made are tried again, in ms. */
const CLUSTER_RETRY = 5000;

const SERVING: Serving = { state: 'serving' };

export class Reconciler<C extends LiveCluster> implements ConfigSink, SecretSource {
  private readonly options: ReconcilerOptions<C>;
  private readonly listeners: Listeners;
  private current: Live<C>;
  /** Those of the snapshot that is live, or under way. */
  private secrets: ConfigSnapshot['handedOut']['secrets'];
  private failures: ReadonlyMap<string, string> = new Map();
  private missed: { readonly of: Live<C>; readonly objects: MissingObjects } | undefined;
  /** Clusters with the endpoints that they were assigned: the same object as long as nothing of it changes. */
  private readonly assigned = new Map<
    string,
    { readonly of: Cluster; readonly from: unknown; readonly config: Cluster }
  >();
  private readonly observers = new Set<() => void>();
  private queue: Promise<unknown> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  /** No change was made yet: there is nothing to go back to. */
  private first = true;

  constructor(options: ReconcilerOptions<C>, empty: ConfigSnapshot) {
    this.options = options;
    this.listeners = new Listeners(options);
    this.current = { snapshot: empty, clusters: new Map() };
    this.secrets = empty.handedOut.secrets;
  }

  get live(): Live<C> {
    return this.current;
  }

  get snapshot(): ConfigSnapshot {
    return this.current.snapshot;
  }

  /** One that listens, whether it serves its newest configuration yet or not. */
  listener(name: string): Listener | undefined {
    return this.listeners.listener(name);
  }

  /** Where a listener listens, as in `127.0.0.1:5000`. */
  addressOf(listener: string): string | undefined {
    return this.listeners.addressOf(listener);
  }

  /** Datagrams of a listener that the kernel dropped; undefined where there can't be any. */
  overflowOf(listener: string): number | undefined {
    return this.listeners.overflowOf(listener);
  }

  /** How an object of the snapshot fares; undefined where there is none. */
  servingOf(kind: Kind, name: string): Serving | undefined {
    if (kind !== 'Cluster') {
      const serving = kind === 'Listener' ? this.listeners.servingOf(name) : SERVING;
      const value = this.snapshot[LIST_OF[kind]].get(name)?.value;
      const missing = value && serving?.state === 'serving' ? this.missing.of(kind, value) : [];
      return missing.length === 0 ? serving : { state: 'degraded', reason: `lacks ${missing.join(', ')}` };
    }
    const failure = this.failures.get(name);
    if (failure !== undefined) return { state: 'failed', reason: failure };
    const cluster = this.current.clusters.get(name);
    return cluster && { state: cluster.pending ? 'warming' : 'serving' };
  }

  /** What sessions miss now. */
  private get missing(): MissingObjects {
    if (this.missed?.of !== this.current) {
      const { snapshot, clusters } = this.current;
      this.missed = { of: this.current, objects: new MissingObjects(snapshot, clusters) };
    }
    return this.missed.objects;
  }

  // Secrets, as TLS contexts see them.

  get(secret: string) {
    return this.secrets.get(secret);
  }

  /** Calls after each change of what is configured or how it fares; gives the function that ends it. */
  watch(observer: () => void): () => void {
    this.observers.add(observer);
    return () => this.observers.delete(observer);
  }

  /** Tells the observers. */
  notify(): void {
    for (const observer of [...this.observers]) observer();
  }

  apply(delta: ConfigDelta | ((snapshot: ConfigSnapshot) => ConfigDelta), source: Source = 'local'): Promise<void> {
    return this.enqueue(() => {
      const { snapshot } = this;
      const made = typeof delta === 'function' ? delta(snapshot) : delta;
      return this.change(withDelta(snapshot, made, source), made.servedBefore);
    });
  }

  replace(snapshot: ConfigSnapshot | ((current: ConfigSnapshot) => ConfigSnapshot)): Promise<void> {
    return this.enqueue(() => {
      const { snapshot: current } = this;
      return this.change(withLocal(current, typeof snapshot === 'function' ? snapshot(current) : snapshot));
    });
  }

  /** Makes what a configuration needs, starts nothing of it, and throws it away. @throws FaultsError as `replace` does */
  async check(snapshot: ConfigSnapshot): Promise<void> {
    const { freshClusters } = await this.construct(snapshot);
    await closeAll(freshClusters);
    try {
      await this.options.neighbour?.check(snapshot);
    } catch (error) {
      throw new FaultsError(faultsAt('admin.api', error));
    }
  }

  /** Takes no more clients, and resolves when those that are there ask for nothing new; sessions go on. */
  drain(): Promise<void> {
    return this.enqueueLast(() => this.listeners.drain());
  }

  /** Stops listening; sessions go on with their clusters, where they need no listener. */
  stopListening(): Promise<void> {
    return this.enqueueLast(() => this.listeners.close());
  }

  private enqueueLast(stop: () => Promise<void>): Promise<void> {
    return this.enqueue(async () => {
      this.closed = true;
      clearTimeout(this.timer);
      await stop();
    });
  }

  /** Closes everything. */
  async close(): Promise<void> {
    await this.stopListening();
    await Promise.all([...this.current.clusters.values()].map((cluster) => cluster.close()));
    this.current = { ...this.current, clusters: new Map() };
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    const result = this.queue.then(task);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private async change(next: ConfigSnapshot, servedBefore = false): Promise<void> {
    if (this.closed) throw new ProxyError('DRAINED', 'the proxy is stopping: its configuration is final');
    const before = this.current;
    this.secrets = next.handedOut.secrets;
    const { clusters, freshClusters, freshListeners, failures } = await this.construct(next);

    // Stop, swap, start.
    const { listeners } = this;
    const { neighbour } = this.options;
    const stopped = await listeners.stop(freshListeners, next);
    await neighbour?.makeRoom(next);
    this.current = { snapshot: next, clusters };
    listeners.configureDoors(next);
    const faults: Fault[] = [];
    await listeners.startAll(freshListeners, faults);
    if (neighbour && faults.length === 0) {
      try {
        await neighbour.follow(next);
      } catch (error) {
        faults.push(listenFault('admin.api', error));
        await Promise.all([...freshListeners.values()].map(({ listener }) => listener.close()));
      }
    }
    if (faults.length > 0) {
      this.current = before;
      this.secrets = before.snapshot.handedOut.secrets;
      listeners.configureDoors(before.snapshot);
      await listeners.restart(stopped);
      if (!this.first) await this.restartNeighbour();
      await closeAll(freshClusters);
      throw new FaultsError(faults);
    }

    this.first = false;
    // From here on nothing fails: the objects that stay take their new configuration.
    this.failures = failures;
    listeners.commit(stopped, freshListeners, next);
    for (const [name, cluster] of clusters) {
      const value = next.clusters.get(name)?.value;
      if (value === undefined || failures.has(name)) continue;
      const config = this.configOf(value, next);
      if (config !== cluster.config) cluster.update(config, isAwaited(config, next));
    }
    for (const cluster of freshClusters) cluster.start();
    for (const [name, cluster] of before.clusters) {
      if (clusters.get(name) !== cluster) void cluster.close();
    }
    for (const name of this.assigned.keys()) if (!next.clusters.has(name)) this.assigned.delete(name);
    await this.settle(servedBefore);
  }

  /** What comes up by itself: now, and when its time has come. */
  private async settle(servedBefore = false): Promise<void> {
    clearTimeout(this.timer);
    const { snapshot } = this.current;
    const delays = [
      await this.listeners.settle(snapshot, this.missing, servedBefore),
      this.failures.size > 0 ? CLUSTER_RETRY : undefined,
    ];
    const delay = Math.min(...delays.filter((each) => each !== undefined));
    if (delay !== Infinity) {
      const again = (): Promise<void> => (this.closed ? Promise.resolve() : this.retry());
      this.timer = setTimeout(() => void this.enqueue(again), delay).unref();
    }
    this.notify();
  }

  private async retry(): Promise<void> {
    const { snapshot, clusters } = this.current;
    const more = new Map(clusters);
    const failures = new Map<string, string>();
    for (const name of this.failures.keys()) {
      const value = snapshot.clusters.get(name)?.value;
      if (value === undefined) continue;
      try {
        const cluster = await this.constructCluster(value, snapshot);
        void more.get(name)?.close();
        more.set(name, cluster);
        cluster.start();
      } catch (error) {
        failures.set(name, reasonOf(error));
      }
    }
    if (this.failures.size > 0) this.current = { snapshot, clusters: more };
    this.failures = failures;
    await this.settle();
  }

  /** Makes what is new; nothing that is live is touched. @throws FaultsError with everything that can't be made. */
  private async construct(next: ConfigSnapshot): Promise<Construction<C>> {
    const clusters = new Map<string, C>();
    const freshClusters: C[] = [];
    const failures = new Map<string, string>();
    const faults: Fault[] = [];
    for (const [name, { value, source }] of next.clusters) {
      const existing = this.current.clusters.get(name);
      if (existing && isDeepStrictEqual(existing.config.spec, value.spec)) {
        clusters.set(name, existing);
        continue;
      }
      try {
        const cluster = await this.constructCluster(value, next);
        clusters.set(name, cluster);
        freshClusters.push(cluster);
      } catch (error) {
        if (source === 'local') faults.push(...faultsAt(`clusters.${name}`, error));
        else {
          failures.set(name, reasonOf(error));
          if (existing) clusters.set(name, existing); // the last good one
        }
      }
    }
    const freshListeners = await this.listeners.construct(next, faults);
    if (faults.length > 0) {
      this.secrets = this.snapshot.handedOut.secrets;
      await closeAll(freshClusters);
      throw new FaultsError(faults);
    }
    return { clusters, freshClusters, freshListeners, failures };
  }

  private async constructCluster(value: Cluster, next: ConfigSnapshot): Promise<C> {
    const { protocols, makeCluster, controlPlane } = this.options;
    const { name, spec, discovery } = value;
    if (!controlPlane) {
      needControlPlane(`clusters.${name}.spec.tls`, spec);
      if (discovery) {
        throw new FaultsError([
          {
            path: `clusters.${name}.discovery`,
            expected: 'endpoints, as there is no control plane',
            found: 'discovery',
          },
        ]);
      }
    }
    await protocols.prepare(spec);
    const config = this.configOf(value, next);
    return makeCluster(config, protocols.connector(name, spec), protocols.get(spec.protocol), isAwaited(config, next));
  }

  private configOf(value: Cluster, snapshot: ConfigSnapshot): Cluster {
    const assignment = assignmentOf(value);
    if (assignment === undefined) return value;
    const from = snapshot.handedOut.assignments.get(assignment);
    const known = this.assigned.get(value.name);
    if (known?.of === value && known.from === from) return known.config;
    // A copy even without an assignment: that its endpoints are awaited again is a change.
    const config = from ? withAssigned(value, snapshot) : { ...value };
    this.assigned.set(value.name, { of: value, from, config });
    return config;
  }

  private async restartNeighbour(): Promise<void> {
    const { neighbour, log } = this.options;
    try {
      await neighbour?.follow(this.snapshot);
    } catch (error) {
      log.error({ error: ProxyError.from(error).message }, 'the REST API could not be started again');
    }
  }
}

/** Whether a cluster's endpoints are assigned, but not known yet. */
function isAwaited(config: Cluster, { handedOut: { assignments } }: ConfigSnapshot): boolean {
  const assignment = assignmentOf(config);
  return assignment !== undefined && !assignments.has(assignment);
}

function reasonOf(error: unknown): string {
  const { code, message } = ProxyError.from(error);
  return `${code}: ${message}`;
}

async function closeAll(clusters: readonly LiveCluster[]): Promise<void> {
  await Promise.all(clusters.map((cluster) => cluster.close()));
}
