/** A live cluster: picks an endpoint for each session, connects it, and knows how its endpoints are. */
import type { Cluster as Config } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, Opened, Opening, OpenRequest } from '../core/cluster.ts';
import { ProxyError } from '../core/errors.ts';
import type { LoadBalancer } from '../core/load-balancer.ts';
import type { Logger } from '../core/log.ts';
import type { Connector } from '../core/protocol.ts';
import type { Stream } from '../core/stream.ts';
import { Attempt, awaitStream, openAfter } from './attempt.ts';
import { isName, type Resolve, Resolver } from './dns.ts';
import {
  type ClusterTotals,
  Endpoint,
  type EndpointIdentity,
  type EndpointView,
  LATENCY_BOUNDS,
  viewOf,
} from './endpoint.ts';
import { HealthChecker } from './health.ts';
import { recordOutcome } from './outlier.ts';
import type { probe } from './probe.ts';

export interface ClusterOptions {
  readonly config: Config;
  readonly connector: Connector;
  readonly createLoadBalancer: (config: Config['loadbalancer']) => LoadBalancer;
  /** The protocol has no network, or its spec says where it goes: without endpoints there is one, of no address. */
  readonly local: boolean;
  readonly log: Logger;
  readonly now?: () => number;
  readonly resolve?: Resolve;
  readonly probe?: typeof probe;
}

/** The address of an endpoint that has none. */
export const VIRTUAL_ADDRESS = '<VIRTUAL>';

export class Cluster implements ClusterHandle {
  config: Config;
  readonly totals: ClusterTotals = {
    sessions: 0,
    failures: new Map(),
    connectLatency: { bounds: LATENCY_BOUNDS, counts: new Array<number>(LATENCY_BOUNDS.length + 1).fill(0), sum: 0 },
  };
  private readonly options: ClusterOptions;
  private readonly now: () => number;
  private balancer: LoadBalancer;
  private endpoints: readonly Endpoint[] = [];
  private resolver: Resolver;
  private checker: HealthChecker | undefined;
  private readonly ejected = new Map<Endpoint, NodeJS.Timeout>();
  private sessions = 0;
  private pending = 0;
  private retries = 0;
  private started = false;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.config = options.config;
    this.now = options.now ?? Date.now;
    this.balancer = options.createLoadBalancer(options.config.loadbalancer);
    this.resolver = this.newResolver();
    this.rebuild();
  }

  /** Starts looking up names and checking health. */
  start(): void {
    this.started = true;
    this.resolver.watch(this.names());
    this.startChecks();
  }

  /** Endpoints that stay keep their state; the rest of the configuration counts from the next session on. */
  update(config: Config): void {
    const before = this.config;
    this.config = config;
    const changed = (field: keyof Config): boolean => JSON.stringify(before[field]) !== JSON.stringify(config[field]);
    if (changed('loadbalancer')) this.balancer = this.options.createLoadBalancer(config.loadbalancer);
    if (changed('dns')) {
      this.resolver.close();
      this.resolver = this.newResolver();
    }
    if (changed('endpoints') || changed('dns')) {
      this.rebuild();
      if (this.started) this.resolver.watch(this.names());
    }
    if (changed('health_check')) {
      this.checker?.close();
      this.checker = undefined;
      for (const endpoint of this.endpoints) this.setHealthy(endpoint, true);
      if (this.started) this.startChecks();
    }
  }

  /** Stops what runs by itself. Sessions go on. */
  async close(): Promise<void> {
    this.started = false;
    this.resolver.close();
    this.checker?.close();
    for (const timer of this.ejected.values()) clearTimeout(timer);
    this.ejected.clear();
    await this.options.connector.close?.();
  }

  view(): readonly EndpointView[] {
    const now = this.now();
    return this.endpoints.map((endpoint) => viewOf(endpoint, now));
  }

  get activeSessions(): number {
    return this.sessions;
  }

  /** @throws ProxyError `CIRCUIT_OPEN`, `NO_ENDPOINT`, or what the connector throws. */
  open(request: OpenRequest): Opening | Opened {
    if (this.resolver.pending && !this.endpoints.some(({ usable }) => usable)) {
      return openAfter(this.resolver.ready, request.timeout, () => this.open(request));
    }
    try {
      return this.connect(request);
    } catch (error) {
      throw this.failed(error);
    }
  }

  private connect(request: OpenRequest): Opening | Opened {
    this.checkLimits(request);
    const endpoint = this.balancer.pick(this.endpoints, request.metadata) ?? this.leastBad();
    if (endpoint === undefined) throw this.noEndpoint();
    const attempt = new Attempt(request, endpoint, (ok) => this.outcome(endpoint, ok));
    let result: Stream | Promise<Stream>;
    try {
      result = this.options.connector.connect(attempt);
    } catch (error) {
      this.outcome(endpoint, false);
      throw error;
    }
    return 'then' in result ? this.wait(request, endpoint, attempt, result) : this.opened(endpoint, attempt, result);
  }

  private wait(request: OpenRequest, endpoint: Endpoint, attempt: Attempt, promise: Promise<Stream>): Opening {
    const startedAt = performance.now();
    this.pending++;
    if (request.retry) this.retries++;
    const where = `${endpoint.name} of ${this.config.name}`;
    const { stream, abort } = awaitStream(promise, request.timeout, where, (error) => attempt.abort(error));
    const settled = (): void => {
      this.pending--;
      if (request.retry) this.retries--;
    };
    const opened = stream.then(
      (connected) => {
        settled();
        this.recordLatency(performance.now() - startedAt);
        return this.opened(endpoint, attempt, connected);
      },
      (error: unknown) => {
        settled();
        const failure = this.failed(error);
        // That the session went away is not the endpoint's fault.
        if (failure.code !== 'DELETED' && failure.code !== 'DRAINED') this.outcome(endpoint, false);
        throw failure;
      },
    );
    return { opened, abort };
  }

  private opened(endpoint: Endpoint, attempt: Attempt, stream: Stream): Opened {
    this.sessions++;
    this.totals.sessions++;
    endpoint.sessions++;
    endpoint.totalSessions++;
    return new Connection(stream, endpoint, (error) => {
      this.sessions--;
      endpoint.sessions--;
      if (error) this.failed(error);
      const fault = error !== undefined && ENDPOINT_FAULTS.has(error.code);
      if (fault || !attempt.reported) this.outcome(endpoint, !fault);
    });
  }

  private checkLimits({ retry }: OpenRequest): void {
    const { max_sessions, max_pending, max_retries } = this.config.circuit_breaker;
    const open = (limit: string): ProxyError =>
      new ProxyError('CIRCUIT_OPEN', `cluster ${this.config.name} has its ${limit}`);
    if (max_sessions > 0 && this.sessions + this.pending >= max_sessions) throw open(`${max_sessions} sessions`);
    if (max_pending > 0 && this.pending >= max_pending) throw open(`${max_pending} connects under way`);
    if (retry && max_retries > 0 && this.retries >= max_retries) throw open(`${max_retries} retries under way`);
  }

  /** Where all are out, an ejected one is better than none: that its sessions failed may not have been its fault. */
  private leastBad(): Endpoint | undefined {
    const ejected = this.endpoints.filter(({ healthy, address }) => healthy && address !== '');
    return ejected.sort((a, b) => a.ejectedUntil - b.ejectedUntil)[0];
  }

  private noEndpoint(): ProxyError {
    const { name, endpoints } = this.config;
    if (endpoints.length === 0) return new ProxyError('NO_ENDPOINT', `cluster ${name} has no endpoints`);
    const unhealthy = this.endpoints.filter(({ healthy }) => !healthy).length;
    const unresolved = this.endpoints.filter(({ address }) => address === '').length;
    const counts = `${unhealthy} unhealthy, ${unresolved} without an address`;
    return new ProxyError('NO_ENDPOINT', `cluster ${name}: none of ${this.endpoints.length} endpoints (${counts})`);
  }

  private failed(error: unknown): ProxyError {
    const failure = ProxyError.from(error, 'CONNECT_FAILED');
    this.totals.failures.set(failure.code, (this.totals.failures.get(failure.code) ?? 0) + 1);
    return failure;
  }

  private recordLatency(elapsed: number): void {
    const { bounds, counts } = this.totals.connectLatency;
    let bucket = bounds.findIndex((bound) => elapsed <= bound);
    if (bucket < 0) bucket = bounds.length;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.totals.connectLatency.sum += elapsed;
  }

  private outcome(endpoint: Endpoint, ok: boolean): void {
    if (!recordOutcome(endpoint, ok, this.config.outlier_detection, this.endpoints, this.now())) return;
    const until = endpoint.ejectedUntil - this.now();
    this.options.log.warn({ cluster: this.config.name, endpoint: endpoint.name, ms: until }, 'endpoint ejected');
    clearTimeout(this.ejected.get(endpoint));
    const timer = setTimeout(() => {
      this.ejected.delete(endpoint);
      this.refresh(endpoint);
    }, until).unref();
    this.ejected.set(endpoint, timer);
    this.refresh(endpoint);
  }

  private refresh(endpoint: Endpoint): void {
    endpoint.usable =
      endpoint.healthy && endpoint.ejectedUntil <= this.now() && (endpoint.address !== '' || this.virtual);
  }

  private setHealthy(endpoint: Endpoint, healthy: boolean): void {
    endpoint.healthy = healthy;
    this.refresh(endpoint);
  }

  private get virtual(): boolean {
    return this.options.local && this.config.endpoints.length === 0;
  }

  private newResolver(): Resolver {
    const { log, resolve } = this.options;
    return new Resolver(this.config.dns, log, () => this.rebuild(), resolve);
  }

  private names(): string[] {
    return this.config.endpoints.flatMap(({ spec }) =>
      isName(spec.address) && !this.options.local ? [spec.address] : [],
    );
  }

  private startChecks(): void {
    const { config, options } = this;
    if (config.health_check === undefined || this.virtual) return;
    this.checker = new HealthChecker(config.health_check, {
      ...(options.probe && { probe: options.probe }),
      onChange: (endpoint, reason) => {
        this.refresh(endpoint);
        const fields = { cluster: config.name, endpoint: endpoint.name, ...(reason !== undefined && { reason }) };
        if (endpoint.healthy) options.log.info(fields, 'endpoint is healthy');
        else options.log.warn(fields, 'endpoint is unhealthy');
      },
    });
    this.checker.watch(this.endpoints);
  }

  private rebuild(): void {
    const { config } = this;
    let { spec: transport } = config;
    while ('transport_spec' in transport) transport = transport.transport_spec;
    const port = 'port' in transport ? transport.port : 0;
    const bind = 'bind' in transport ? transport.bind : undefined;
    const path = 'filename' in transport ? (transport.filename ?? '') : '';
    const next: Endpoint[] = [];
    const keep = (identity: EndpointIdentity, weight: number): void => {
      const endpoint = this.endpoints.find((each) => each.is(identity)) ?? new Endpoint(identity, weight, bind);
      endpoint.weight = weight;
      next.push(endpoint);
    };
    for (const { name, spec, weight } of config.endpoints) {
      const own = spec.port || port;
      const { address = path } = spec;
      if (!isName(address) || this.options.local) {
        keep({ name, spec, address, port: own }, weight);
        continue;
      }
      const addresses = this.resolver.of(address);
      const several = config.dns.all && addresses.length > 1;
      for (const each of addresses)
        keep({ name: several ? `${name}#${each}` : name, spec, address: each, port: own }, weight);
      if (addresses.length === 0) keep({ name, spec, address: '', port: own }, weight);
    }
    if (next.length === 0 && this.virtual) keep({ name: config.name, spec: { port: 0 }, address: path, port }, 1);
    for (const [endpoint, timer] of this.ejected) {
      if (next.includes(endpoint)) continue;
      clearTimeout(timer);
      this.ejected.delete(endpoint);
    }
    this.endpoints = next;
    for (const endpoint of next) this.refresh(endpoint);
    this.checker?.watch(next);
  }
}

/** What speaks against an endpoint after it was connected. */
const ENDPOINT_FAULTS: ReadonlySet<ProxyError['code']> = new Set([
  'CHILD_EXITED',
  'CONNECT_REFUSED',
  'PEER_RESET',
  'PROTOCOL_ERROR',
  'RESPONSE_TIMEOUT',
  'TLS_FAILED',
  'UNREACHABLE',
]);

/** A session's hold on an endpoint. */
class Connection implements Opened {
  readonly stream: Stream;
  readonly endpoint: Endpoint;
  private done: ((error?: ProxyError) => void) | undefined;

  constructor(stream: Stream, endpoint: Endpoint, done: (error?: ProxyError) => void) {
    this.stream = stream;
    this.endpoint = endpoint;
    this.done = done;
  }

  release(error?: ProxyError): void {
    const { done } = this;
    this.done = undefined;
    done?.(error);
  }
}
