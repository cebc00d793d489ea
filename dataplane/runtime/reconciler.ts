/**
 * Makes the live objects follow the configuration, one change after the other, each as a whole or not at all:
 *
 * ```
 *   plan ──▶ construct ──▶ stop what goes ──▶ swap the snapshot ──▶ start what came
 *              │ fails         what was stopped is started again  ◀──┘ fails
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
import { FaultsError, ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { AnyProtocol, Connector, Listener } from '../core/protocol.ts';
import type { Accept } from '../core/session.ts';
import { difference, withDelta } from './plan.ts';
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

export interface ReconcilerOptions<C extends LiveCluster> {
  readonly protocols: ProtocolRegistry;
  readonly makeCluster: (config: Cluster, connector: Connector, protocol: AnyProtocol) => C;
  readonly makeDoor: (config: ListenerConfig, protocol: AnyProtocol) => Door;
  readonly log: Logger;
}

interface LiveListener {
  readonly config: ListenerConfig;
  readonly listener: Listener;
  readonly door: Door;
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
    const { snapshot } = before;
    await this.prepare(next);

    // Construct: nothing that is live is touched yet.
    const clusters = this.constructClusters(next);
    const listeners = difference(snapshot.listeners, next.listeners);
    const restarted = listeners.changed.filter((name) => this.needsRestart(name, next));
    const fresh = this.constructListeners([...listeners.added, ...restarted], next);

    // Stop, swap, start.
    const stopped = [...listeners.removed, ...restarted];
    for (const name of stopped) await this.listeners.get(name)?.listener.close();
    this.current = { snapshot: next, clusters: clusters.live };
    const faults = await startAll(fresh);
    if (faults.length > 0) {
      this.current = before;
      await this.restart(stopped);
      await Promise.all(clusters.fresh.map((cluster) => cluster.close()));
      throw new FaultsError(faults);
    }

    // From here on nothing fails: the objects that stay take their new configuration.
    for (const name of listeners.removed) this.listeners.delete(name);
    for (const [name, live] of fresh) this.listeners.set(name, live);
    for (const [name, live] of this.listeners) {
      const config = next.listeners.get(name)?.value;
      if (config && config !== live.config) {
        live.door.configure(config);
        this.listeners.set(name, { ...live, config });
      }
    }
    for (const [name, cluster] of clusters.live) {
      const config = next.clusters.get(name)?.value;
      if (config && config !== cluster.config) cluster.update(config);
    }
    for (const cluster of clusters.fresh) cluster.start();
    for (const [name, cluster] of before.clusters) {
      if (clusters.live.get(name) !== cluster) void cluster.close();
    }
  }

  private async prepare(next: ConfigSnapshot): Promise<void> {
    for (const [name, { value }] of next.listeners) await this.prepareSpec(`listeners.${name}`, value);
    for (const [name, { value }] of next.clusters) await this.prepareSpec(`clusters.${name}`, value);
  }

  private async prepareSpec(path: string, { spec }: ListenerConfig | Cluster): Promise<void> {
    try {
      await this.options.protocols.prepare([spec]);
    } catch (error) {
      throw faultAt(`${path}.spec`, error);
    }
  }

  private constructClusters(next: ConfigSnapshot): { live: Map<string, C>; fresh: C[] } {
    const live = new Map<string, C>();
    const fresh: C[] = [];
    for (const [name, { value }] of next.clusters) {
      const existing = this.current.clusters.get(name);
      if (existing && isDeepStrictEqual(existing.config.spec, value.spec)) {
        live.set(name, existing);
        continue;
      }
      try {
        const { protocols, makeCluster } = this.options;
        const protocol = protocols.get(value.spec.protocol);
        const cluster = makeCluster(value, protocols.connector(name, value.spec), protocol);
        live.set(name, cluster);
        fresh.push(cluster);
      } catch (error) {
        throw faultAt(`clusters.${name}`, error);
      }
    }
    return { live, fresh };
  }

  private needsRestart(name: string, next: ConfigSnapshot): boolean {
    const old = this.listeners.get(name)?.config;
    return !isDeepStrictEqual(old?.spec, next.listeners.get(name)?.value.spec);
  }

  private constructListeners(names: readonly string[], next: ConfigSnapshot): Map<string, LiveListener> {
    const fresh = new Map<string, LiveListener>();
    for (const name of names) {
      const config = next.listeners.get(name)?.value;
      if (config) fresh.set(name, this.constructListener(config));
    }
    return fresh;
  }

  private constructListener(config: ListenerConfig): LiveListener {
    const { protocols, makeDoor } = this.options;
    try {
      // A listener that is made anew keeps its door: its sessions still count against its limits.
      const door = this.listeners.get(config.name)?.door ?? makeDoor(config, protocols.transport(config.spec));
      return { config, door, listener: protocols.listener(config.name, config.spec, door.accept) };
    } catch (error) {
      throw faultAt(`listeners.${config.name}`, error);
    }
  }

  /** Starts listeners again that were stopped for a change that failed. */
  private async restart(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const old = this.listeners.get(name);
      if (old === undefined) continue;
      try {
        const again = this.constructListener(old.config);
        await again.listener.start();
        this.listeners.set(name, again);
      } catch (error) {
        const { message } = ProxyError.from(error);
        this.options.log.error({ listener: name, error: message }, 'a listener could not be started again');
        this.listeners.delete(name);
      }
    }
  }
}

/** Starts all, or none: gives what went wrong. */
async function startAll(
  listeners: ReadonlyMap<string, LiveListener>,
): Promise<{ path: string; found: string; expected: string }[]> {
  const results = await Promise.allSettled([...listeners.values()].map(({ listener }) => listener.start()));
  const names = [...listeners.keys()];
  const faults = results.flatMap((result, index) => {
    if (result.status === 'fulfilled') return [];
    const { code, message } = ProxyError.from(result.reason);
    return [{ path: `listeners.${names[index] ?? ''}`, expected: 'to listen', found: `${code}: ${message}` }];
  });
  if (faults.length > 0) {
    const started = [...listeners.values()].filter((_, index) => results[index]?.status === 'fulfilled');
    await Promise.all(started.map(({ listener }) => listener.close()));
  }
  return faults;
}

function faultAt(path: string, error: unknown): FaultsError {
  if (error instanceof FaultsError) return error;
  const { code, message } = ProxyError.from(error);
  return new FaultsError([{ path, expected: 'what its protocol can work with', found: `${code}: ${message}` }]);
}
