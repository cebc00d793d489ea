/**
 * The live listeners. Those of the proxy's own configuration start with the change that brings them, or the change
 * fails. All others come up one by one, each for itself: as soon as what they need is there (make before break), and
 * again and again where they can't listen:
 *
 * ```
 *   warming ──▶ serving
 *      │   ▲
 *      ▼   │ after a while
 *      failed
 * ```
 *
 * Until a changed listener serves, the one before it does.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Listener as ListenerConfig } from '../../gen/l7mp/config/v1/types.ts';
import { backoff } from '../../common/backoff.ts';
import type { ConfigSnapshot, Owned } from '../../config/snapshot.ts';
import { type Fault, FaultsError, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { AnyProtocol, Listener } from '../core/protocol.ts';
import { secretsOf } from '../../common/secrets.ts';
import type { Serving } from '../core/serving.ts';
import { clashes } from './clashes.ts';
import { type MissingObjects, missingSecrets } from './missing.ts';
import type { Admitting, ProtocolRegistry } from './protocols.ts';

/** The door of a listener's sessions. */
export interface Door extends Admitting {
  configure(config: ListenerConfig): void;
}

export interface ListenersOptions {
  readonly protocols: ProtocolRegistry;
  readonly makeDoor: (config: ListenerConfig, protocol: AnyProtocol) => Door;
  /** Whether there is a control plane, from which what is missing may come. */
  readonly controlPlane: boolean;
  /** How long a new listener waits for its rules and clusters, in ms; then it starts without. Default: 15000. */
  readonly warmingLimit?: number | undefined;
  readonly log: Logger;
}

export interface LiveListener {
  readonly config: ListenerConfig;
  /** What its spec rides on in the end. */
  readonly transport: AnyProtocol;
  readonly listener: Listener;
  readonly door: Door;
}

/** A listener that doesn't serve its configuration yet. */
interface Standby {
  readonly config: ListenerConfig;
  /** Until when it waits for its rules and clusters, in ms since 1970. */
  readonly waitsUntil: number;
  failures: number;
  /** Not tried before. */
  retryAt: number;
  serving: Serving;
}

const WARMING_LIMIT = 15_000;
const RETRY = { base: 1000, cap: 30_000 };

export class Listeners {
  private readonly options: ListenersOptions;
  private readonly live = new Map<string, LiveListener>();
  private readonly standby = new Map<string, Standby>();

  constructor(options: ListenersOptions) {
    this.options = options;
  }

  /** One that listens. */
  listener(name: string): Listener | undefined {
    return this.live.get(name)?.listener;
  }

  addressOf(name: string): string | undefined {
    return this.live.get(name)?.listener.address;
  }

  /** Datagrams that the kernel dropped since the receive buffer was full; undefined where there can't be any. */
  overflowOf(name: string): number | undefined {
    return this.live.get(name)?.listener.overflow;
  }

  servingOf(name: string): Serving | undefined {
    return this.standby.get(name)?.serving ?? (this.live.has(name) ? { state: 'serving' } : undefined);
  }

  /** Whether it comes up by itself, after the change that brings it. */
  private isApart({ value, source }: Owned<ListenerConfig>, next: ConfigSnapshot): boolean {
    if (source === 'controlplane') return true;
    return this.options.controlPlane && missingSecrets(value.spec, next).length > 0;
  }

  /** Makes those that start with the change; nothing that is live is touched. */
  async construct(next: ConfigSnapshot, faults: Fault[]): Promise<ReadonlyMap<string, LiveListener>> {
    const fresh = new Map<string, LiveListener>();
    faults.push(...clashes(next));
    for (const [name, owned] of next.listeners) {
      const { value } = owned;
      if (this.isApart(owned, next) || isDeepStrictEqual(this.live.get(name)?.config.spec, value.spec)) continue;
      try {
        fresh.set(name, await this.make(value));
      } catch (error) {
        faults.push(...faultsAt(`listeners.${name}`, error));
      }
    }
    return fresh;
  }

  /** Stops what goes, or is made anew; gives the names. */
  async stop(fresh: ReadonlyMap<string, LiveListener>, next: ConfigSnapshot): Promise<string[]> {
    const names = [...this.live.keys()].filter((name) => fresh.has(name) || !next.listeners.has(name));
    await Promise.all(names.map(async (name) => this.live.get(name)?.listener.close()));
    return names;
  }

  /** Those that stay, and don't come up by themselves, route by this snapshot from now on. */
  configureDoors(snapshot: ConfigSnapshot): void {
    for (const [name, { door }] of this.live) {
      const owned = snapshot.listeners.get(name);
      if (owned && !this.isApart(owned, snapshot)) door.configure(owned.value);
    }
  }

  /** Starts all, or none: adds what went wrong. */
  async startAll(fresh: ReadonlyMap<string, LiveListener>, faults: Fault[]): Promise<void> {
    const started: Listener[] = [];
    await Promise.all(
      [...fresh].map(async ([name, { listener }]) => {
        try {
          await listener.start();
          started.push(listener);
        } catch (error) {
          faults.push(listenFault(`listeners.${name}`, error));
        }
      }),
    );
    if (faults.length > 0) await Promise.all(started.map((listener) => listener.close()));
  }

  /** The change is made: what was stopped is gone, what was started is live. */
  commit(stopped: readonly string[], fresh: ReadonlyMap<string, LiveListener>, next: ConfigSnapshot): void {
    for (const name of stopped) this.live.delete(name);
    for (const [name, live] of fresh) this.live.set(name, live);
    for (const [name, live] of this.live) {
      const owned = next.listeners.get(name);
      if (owned && !this.isApart(owned, next)) this.live.set(name, { ...live, config: owned.value });
    }
    for (const name of this.standby.keys()) if (!next.listeners.has(name)) this.standby.delete(name);
  }

  /** Starts again what was stopped for a change that failed. */
  async restart(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const old = this.live.get(name);
      if (old === undefined) continue;
      try {
        const again = await this.make(old.config);
        await again.listener.start();
        this.live.set(name, again);
      } catch (error) {
        const { message } = ProxyError.from(error);
        this.options.log.error({ listener: name, error: message }, 'a listener could not be started again');
        this.live.delete(name); // the next change tries again
      }
    }
  }

  /**
   * Brings up what comes up by itself, as far as it can now: what is new, and was not served before in an earlier process, waits
   * for what it names. Gives the ms until there is more to do.
   */
  async settle(snapshot: ConfigSnapshot, missing: MissingObjects, servedBefore: boolean): Promise<number | undefined> {
    let next = Infinity;
    for (const [name, { value: config }] of snapshot.listeners) {
      if (this.live.get(name)?.config === config) {
        this.standby.delete(name);
        continue;
      }
      const standby = this.standbyOf(name, config, servedBefore);
      await this.advance(name, standby, snapshot, missing);
      if (this.standby.has(name)) next = Math.min(next, standby.retryAt);
    }
    return next === Infinity ? undefined : Math.max(next - Date.now(), 0);
  }

  /** No more clients come. Resolves when those that are there ask for nothing new; sessions keep what they need. */
  async drain(): Promise<void> {
    this.standby.clear();
    await Promise.all(
      Array.from(this.live, async ([name, { listener }]) => {
        if (listener.drain) return listener.drain();
        this.live.delete(name);
        return listener.close();
      }),
    );
  }

  /** Also after `drain`. */
  async close(): Promise<void> {
    this.standby.clear();
    await Promise.all([...this.live.values()].map(({ listener }) => listener.close()));
    this.live.clear();
  }

  private standbyOf(name: string, config: ListenerConfig, servedBefore: boolean): Standby {
    const { warmingLimit = WARMING_LIMIT } = this.options;
    let standby = this.standby.get(name);
    if (standby?.config !== config) {
      const waitsUntil = Date.now() + (servedBefore ? 0 : warmingLimit);
      standby = { config, waitsUntil, failures: 0, retryAt: 0, serving: { state: 'warming' } };
      this.standby.set(name, standby);
    }
    return standby;
  }

  private async advance(
    name: string,
    standby: Standby,
    snapshot: ConfigSnapshot,
    missing: MissingObjects,
  ): Promise<void> {
    const { config, waitsUntil } = standby;
    const { log } = this.options;
    const secrets = missingSecrets(config.spec, snapshot);
    const objects = missing.of('Listener', config);
    const late = Date.now() >= waitsUntil;
    if (secrets.length > 0 || (objects.length > 0 && !late)) {
      // Rules and clusters come in a moment, or the listener starts without; for a secret it may wait for ever.
      if (secrets.length > 0 && standby.serving.reason === undefined) {
        log.warn({ listener: name, missing: secrets }, 'a listener waits for its secrets');
      }
      standby.serving = { state: 'warming', reason: `waits for ${[...secrets, ...objects].join(', ')}` };
      standby.retryAt = secrets.length > 0 ? Infinity : waitsUntil; // secrets come with a change
      return;
    }
    if (Date.now() < standby.retryAt && standby.failures > 0) return;
    try {
      if (objects.length > 0) log.warn({ listener: name, missing: objects }, 'a listener starts without what it names');
      await this.promote(name, config);
      this.standby.delete(name);
      log.info({ listener: name, address: this.addressOf(name) }, 'listener serves');
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      const reason = `${code}: ${message}`;
      standby.retryAt = Date.now() + backoff(++standby.failures, RETRY);
      standby.serving = { state: 'failed', reason };
      const retry = Math.round(standby.retryAt - Date.now());
      log.error({ listener: name, error: reason, retry_ms: retry }, 'a listener can not listen; it is tried again');
    }
  }

  private async promote(name: string, config: ListenerConfig): Promise<void> {
    const old = this.live.get(name);
    if (old && isDeepStrictEqual(old.config.spec, config.spec)) {
      old.door.configure(config);
      this.live.set(name, { ...old, config });
      return;
    }
    const fresh = await this.make(config);
    await old?.listener.close();
    fresh.door.configure(config);
    try {
      await fresh.listener.start();
      this.live.set(name, fresh);
    } catch (error) {
      old?.door.configure(old.config);
      await this.restart([name]);
      throw error;
    }
  }

  private async make(config: ListenerConfig): Promise<LiveListener> {
    const { protocols, makeDoor, controlPlane } = this.options;
    const { name, spec } = config;
    if (!controlPlane) needControlPlane(`listeners.${name}.spec.tls`, spec);
    await protocols.prepare(spec);
    const transport = protocols.transport(spec);
    // A listener that is made anew keeps its door: its sessions still count against its limits.
    const old = this.live.get(name);
    const door = old?.transport === transport ? old.door : makeDoor(config, transport);
    return { config, transport, door, listener: protocols.listener(name, spec, door) };
  }
}

/** @throws FaultsError where a spec names secrets. */
export function needControlPlane(path: string, spec: object): void {
  const [name] = secretsOf(spec);
  if (name === undefined) return;
  throw new FaultsError([
    { path, expected: 'files or PEM text, as there is no control plane', found: `secret:${name}` },
  ]);
}

export function listenFault(path: string, error: unknown): Fault {
  const { code, message } = ProxyError.from(error);
  return { path, expected: 'to listen', found: `${code}: ${message}`, code };
}

export function faultsAt(path: string, error: unknown): readonly Fault[] {
  if (error instanceof FaultsError) return error.faults;
  const { code, message } = ProxyError.from(error);
  return [{ path, expected: 'what its protocol can work with', found: `${code}: ${message}`, code }];
}
