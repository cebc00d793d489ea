/** The REST API on a listener of the proxy's own: an HTTP listener whose every session goes to an L7mpController cluster. */
import { isIP } from 'node:net';
import type { Admin, Api } from '../gen/l7mp/config/v1/types.ts';
import { Cluster } from './cluster/cluster.ts';
import { decodeConfig } from '../config/decode.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import { FaultsError, ProxyError } from '../common/errors.ts';
import type { Logger } from '../common/log.ts';
import { isLoopback } from '../common/loopback.ts';
import type { Listener } from './core/protocol.ts';
import { createLoadBalancer } from './lb/index.ts';
import { Sessions } from './pipeline/sessions.ts';
import type { ProtocolRegistry } from './runtime/protocols.ts';
import { portOf } from './runtime/clashes.ts';
import type { Neighbour } from './runtime/reconciler.ts';

const NAME = 'l7mp-api';

/**
 * Serves the API until it is closed, or a listener of the configuration wants its port. Where the port is taken by
 * somebody else (another proxy on the same machine), a configuration with an L7mpController cluster of its own does
 * without.
 */
export class ApiListener implements Neighbour {
  private readonly api: Api;
  private readonly registry: ProtocolRegistry;
  private readonly log: Logger;
  private listener: Listener | undefined;
  private sessions: Sessions | undefined;
  /** That it does without was said: each change tries again. */
  private told = false;

  /** @throws FaultsError where it would be open to strangers. */
  constructor({ api }: Admin, registry: ProtocolRegistry, log: Logger) {
    const guarded = api.token !== undefined || api.tls?.client_certificate === 'require';
    if (!api.disable && !isLoopback(api.address) && !guarded) {
      const expected = 'a token, or tls with client_certificate: require, off loopback';
      throw new FaultsError([{ path: 'admin.api', expected, found: `${api.address} without either` }]);
    }
    this.api = api;
    this.registry = registry;
    this.log = log;
  }

  get address(): string | undefined {
    return this.listener?.address;
  }

  async check(next: ConfigSnapshot): Promise<void> {
    if (!this.api.disable && !this.isTaken(next)) await this.make();
  }

  /** Requests that are under way are answered still: one of them may have asked for the change. */
  async makeRoom(next: ConfigSnapshot): Promise<void> {
    if (!this.isTaken(next)) return;
    const { listener } = this;
    this.listener = undefined;
    await listener?.close();
  }

  async follow(current: ConfigSnapshot): Promise<void> {
    if (this.listener !== undefined || this.api.disable || this.isTaken(current)) return;
    try {
      await this.start();
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      if (code !== 'ADDRESS_IN_USE' || !servesItself(current)) throw error;
      if (!this.told) this.log.warn({ error: message }, 'the REST API is served by the L7mpController cluster alone');
      this.told = true;
    }
  }

  async close(): Promise<void> {
    await this.listener?.close();
    await this.sessions?.close();
    this.listener = undefined;
  }

  private isTaken({ listeners }: ConfigSnapshot): boolean {
    const { address, port } = this.api;
    return [...listeners.values()].some(({ value }) => {
      const wanted = portOf(value.spec);
      return wanted?.transport === 'TCP' && wanted.port === port && mayClash(wanted.address, address);
    });
  }

  private async start(): Promise<void> {
    const server = await this.make();
    await server.start();
    this.listener = server;
  }

  private async make(): Promise<Listener> {
    const { registry, log } = this;
    const { address, port, tls } = this.api;
    const { value: config } = decodeConfig({
      listeners: [{ name: NAME, spec: { protocol: 'HTTP', address, port, ...(tls && { tls }) }, rules: NAME }],
      rulelists: [{ name: NAME, rules: [{ action: { route: { destination: NAME } } }] }],
      clusters: [{ name: NAME, spec: { protocol: 'L7mpController' } }],
    });
    const listener = config?.listeners.get(NAME)?.value;
    const cluster = config?.clusters.get(NAME)?.value;
    if (!config || !listener || !cluster) throw new Error('the configuration of the API has faults');
    await registry.prepare(listener.spec);
    await registry.prepare(cluster.spec);
    const live = new Cluster({
      config: cluster,
      connector: registry.connector(NAME, cluster.spec),
      createLoadBalancer,
      local: true,
      log,
    });
    const table = {
      rulelist: (name: string) => config.rulelists.get(name)?.value,
      rule: (name: string) => config.rules.get(name)?.value,
      route: (name: string) => config.routes.get(name)?.value,
      cluster: () => live,
    };
    this.sessions ??= new Sessions({ log, table: () => table, onEnd: () => undefined, onRefused: () => undefined });
    return registry.listener(NAME, listener.spec, this.sessions.admission(listener));
  }
}

/** l7mp's own files have the API behind a listener, on any port. */
function servesItself({ clusters }: ConfigSnapshot): boolean {
  return [...clusters.values()].some(({ value }) => value.spec.protocol === 'L7mpController');
}

/** Two sockets on one port: not where each has an address of its own. What a name stands for is not known here. */
function mayClash(one: string, other: string): boolean {
  const isOwn = (address: string): boolean => isIP(address) !== 0 && !/^[0:.]+$/u.test(address);
  return one === other || !isOwn(one) || !isOwn(other);
}
