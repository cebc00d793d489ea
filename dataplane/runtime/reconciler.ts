/**
 * Makes the live objects follow the configuration, one change after the other, each as a whole or not at all:
 *
 * ```
 *   construct what is new ──▶ stop what goes ──▶ swap the snapshot ──▶ start what came
 *              │ faults           what was stopped is started again  ◀──┘ faults
 *              ▼
 *           nothing has changed
 * ```
 *
 * A listener whose spec stays is not touched: its rules and limits are swapped under it. A cluster whose spec stays
 * keeps its endpoints' state. Sessions keep the snapshot that they were routed with.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Cluster, Listener as ListenerConfig } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import type { ConfigDelta, ConfigSink, ConfigSnapshot } from '../core/config.ts';
import { type Fault, FaultsError, ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { AnyProtocol, Connector, Listener } from '../core/protocol.ts';
import type { Accept } from '../core/session.ts';
import { withDelta } from './plan.ts';
import type { ProtocolRegistry } from './protocols.ts';

/** A cluster that follows its configuration. */
export interface LiveCluster extends ClusterHandle {
  /** Takes a configuration with the same spec: endpoints that stay keep their state. */
  update(config: Cluster): void;
  start(): void;
  close(): Promise<void>;
}

/** The door of a listener's sessions. */
export interface Door {
  configure(config: ListenerConfig): void;
  readonly accept: Accept;
}

/** Who listens, too, but not by the configuration. */
export interface Neighbour {
  /** Stops listening where the configuration to come wants its port. */
  makeRoom(next: ConfigSnapshot): Promise<void>;
  /** Listens where the configuration leaves its port free. Rejects where it can't. */
  follow(current: ConfigSnapshot): Promise<void>;
}

export interface ReconcilerOptions<C extends LiveCluster> {
  readonly protocols: ProtocolRegistry;
  readonly makeCluster: (config: Cluster, connector: Connector, protocol: AnyProtocol) => C;
  readonly makeDoor: (config: ListenerConfig, protocol: AnyProtocol) => Door;
  /** Nobody when absent. */
  readonly neighbour?: Neighbour | undefined;
  readonly log: Logger;
}

interface LiveListener {
  readonly config: ListenerConfig;
  /** What its spec rides on in the end. */
  readonly transport: AnyProtocol;
  readonly listener: Listener;
  readonly door: Door;
}

/** What a change is made of, ready to be swapped in. */
interface Construction<C> {
  /** All clusters of the next snapshot: those that stay, and the new ones. */
  readonly clusters: ReadonlyMap<string, C>;
  readonly freshClusters: readonly C[];
  /** New, or of another spec than before; not started. */
  readonly freshListeners: ReadonlyMap<string, LiveListener>;
}

/** What is live: swapped as a whole. */
export interface Live<C extends LiveCluster> {
  readonly snapshot: ConfigSnapshot;
  readonly clusters: ReadonlyMap<string, C>;
}

export class Reconciler<C extends LiveCluster> implements ConfigSink {
  private readonly options: ReconcilerOptions<C>;
  private listeners = new Map<string, LiveListener>();
  private current: Live<C>;
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(options: ReconcilerOptions<C>, empty: ConfigSnapshot) {
    this.options = options;
    this.current = { snapshot: empty, clusters: new Map() };
  }

  get live(): Live<C> {
    return this.current;
  }

  get snapshot(): ConfigSnapshot {
    return this.current.snapshot;
  }

  /** Where a listener listens, as in `127.0.0.1:5000`. */
  addressOf(listener: string): string | undefined {
    return this.listeners.get(listener)?.listener.address;
  }

  apply(delta: ConfigDelta | ((snapshot: ConfigSnapshot) => ConfigDelta)): Promise<void> {
    return this.enqueue(() => {
      const { snapshot } = this;
      return this.change(withDelta(snapshot, typeof delta === 'function' ? delta(snapshot) : delta));
    });
  }

  replace(snapshot: ConfigSnapshot): Promise<void> {
    return this.enqueue(() => this.change(snapshot));
  }

  /** Stops listening; sessions go on with their clusters. */
  stopListening(): Promise<void> {
    return this.enqueue(async () => {
      this.closed = true;
      await Promise.all([...this.listeners.values()].map(({ listener }) => listener.close()));
      this.listeners.clear();
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

  private async change(next: ConfigSnapshot): Promise<void> {
    if (this.closed) throw new ProxyError('DRAINED', 'the proxy is stopping: its configuration is final');
    const before = this.current;
    const { clusters, freshClusters, freshListeners } = await this.construct(next);

    // Stop, swap, start.
    const stopped = [...this.listeners.keys()].filter((name) => freshListeners.has(name) || !next.listeners.has(name));
    for (const name of stopped) await this.listeners.get(name)?.listener.close();
    await this.options.neighbour?.makeRoom(next);
    this.current = { snapshot: next, clusters };
    this.configureDoors(next);
    const faults = await this.startAll(freshListeners, next);
    if (faults.length > 0) {
      this.current = before;
      this.configureDoors(before.snapshot);
      await this.restart(stopped);
      await closeAll(freshClusters);
      throw new FaultsError(faults);
    }

    // From here on nothing fails: the objects that stay take their new configuration.
    for (const name of stopped) this.listeners.delete(name);
    for (const [name, live] of freshListeners) this.listeners.set(name, live);
    for (const [name, live] of this.listeners) {
      const config = next.listeners.get(name)?.value;
      if (config) this.listeners.set(name, { ...live, config });
    }
    for (const [name, cluster] of clusters) {
      const config = next.clusters.get(name)?.value;
      if (config && config !== cluster.config) cluster.update(config);
    }
    for (const cluster of freshClusters) cluster.start();
    for (const [name, cluster] of before.clusters) {
      if (clusters.get(name) !== cluster) void cluster.close();
    }
  }

  /** Makes what is new; nothing that is live is touched. @throws FaultsError with everything that can't be made. */
  private async construct(next: ConfigSnapshot): Promise<Construction<C>> {
    const clusters = new Map<string, C>();
    const freshClusters: C[] = [];
    const freshListeners = new Map<string, LiveListener>();
    const faults: Fault[] = [];
    for (const [name, { value }] of next.clusters) {
      const existing = this.current.clusters.get(name);
      if (existing && isDeepStrictEqual(existing.config.spec, value.spec)) {
        clusters.set(name, existing);
        continue;
      }
      try {
        const cluster = await this.constructCluster(value);
        clusters.set(name, cluster);
        freshClusters.push(cluster);
      } catch (error) {
        faults.push(...faultsAt(`clusters.${name}`, error));
      }
    }
    for (const [name, { value }] of next.listeners) {
      if (isDeepStrictEqual(this.listeners.get(name)?.config.spec, value.spec)) continue;
      try {
        freshListeners.set(name, await this.constructListener(value));
      } catch (error) {
        faults.push(...faultsAt(`listeners.${name}`, error));
      }
    }
    if (faults.length > 0) {
      await closeAll(freshClusters);
      throw new FaultsError(faults);
    }
    return { clusters, freshClusters, freshListeners };
  }

  private async constructCluster(config: Cluster): Promise<C> {
    const { protocols, makeCluster } = this.options;
    const { name, spec } = config;
    await protocols.prepare(spec);
    return makeCluster(config, protocols.connector(name, spec), protocols.get(spec.protocol));
  }

  private async constructListener(config: ListenerConfig): Promise<LiveListener> {
    const { protocols, makeDoor } = this.options;
    const { name, spec } = config;
    await protocols.prepare(spec);
    const transport = protocols.transport(spec);
    // A listener that is made anew keeps its door: its sessions still count against its limits.
    const old = this.listeners.get(name);
    const door = old?.transport === transport ? old.door : makeDoor(config, transport);
    return { config, transport, door, listener: protocols.listener(name, spec, door.accept) };
  }

  /** The listeners that stay route by this snapshot from now on. */
  private configureDoors({ listeners }: ConfigSnapshot): void {
    for (const [name, { door }] of this.listeners) {
      const config = listeners.get(name)?.value;
      if (config) door.configure(config);
    }
  }

  /** Starts all, or none: gives what went wrong. */
  private async startAll(fresh: ReadonlyMap<string, LiveListener>, next: ConfigSnapshot): Promise<Fault[]> {
    const started: Listener[] = [];
    const faults: Fault[] = [];
    const start = async (path: string, task: () => Promise<void>): Promise<void> => {
      try {
        await task();
      } catch (error) {
        const { code, message } = ProxyError.from(error);
        faults.push({ path, expected: 'to listen', found: `${code}: ${message}`, code });
      }
    };
    await Promise.all(
      [...fresh].map(([name, { listener }]) =>
        start(`listeners.${name}`, async () => {
          await listener.start();
          started.push(listener);
        }),
      ),
    );
    const { neighbour } = this.options;
    if (neighbour && faults.length === 0) await start('admin.api', () => neighbour.follow(next));
    if (faults.length > 0) await Promise.all(started.map((listener) => listener.close()));
    return faults;
  }

  /** Starts again what was stopped for a change that failed. */
  private async restart(names: readonly string[]): Promise<void> {
    const { neighbour, log } = this.options;
    for (const name of names) {
      const old = this.listeners.get(name);
      if (old === undefined) continue;
      try {
        const again = await this.constructListener(old.config);
        await again.listener.start();
        this.listeners.set(name, again);
      } catch (error) {
        log.error({ listener: name, error: ProxyError.from(error).message }, 'a listener could not be started again');
        this.listeners.delete(name); // the next change tries again
      }
    }
    try {
      await neighbour?.follow(this.snapshot);
    } catch (error) {
      log.error({ error: ProxyError.from(error).message }, 'the REST API could not be started again');
    }
  }
}

async function closeAll(clusters: readonly LiveCluster[]): Promise<void> {
  await Promise.all(clusters.map((cluster) => cluster.close()));
}

function faultsAt(path: string, error: unknown): readonly Fault[] {
  if (error instanceof FaultsError) return error.faults;
  const { code, message } = ProxyError.from(error);
  return [{ path, expected: 'what its protocol can work with', found: `${code}: ${message}`, code }];
}
