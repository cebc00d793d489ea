/** A live cluster: picks an endpoint for each session, connects it, and knows how its endpoints are. */
import type { Cluster as Config } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, Opened, Opening, OpenRequest } from '../core/cluster.ts';
import { ProxyError } from '../../common/errors.ts';
import { jsonObject } from '../../common/json.ts';
import type { LoadBalancer } from '../core/load-balancer.ts';
import type { Logger } from '../../common/log.ts';
import type { Connector } from '../core/protocol.ts';
import { discard } from '../core/discard.ts';
import type { Stream } from '../core/stream.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import { type Resolve, Resolver } from './dns.ts';
import { originalEndpoint } from './original.ts';
import { EndpointSet, namesOf, type Surroundings } from './endpoint-set.ts';
import { type Endpoint, type EndpointView, viewOf } from './endpoint.ts';
import { HealthChecker, type Probe } from './health.ts';
import { isFault, recordFailure, recordSuccess } from './outlier.ts';
import { Pending, type PendingHandlers } from './pending.ts';
import { ClusterTotals } from './totals.ts';

/** A session has let go of a request that was not answered. */
const OTHER_ERROR = '_OTHER';

export interface ClusterOptions {
  readonly config: Config;
  readonly connector: Connector;
  readonly createLoadBalancer: (config: Config['loadbalancer']) => LoadBalancer;
  /** The protocol has no network, or its spec says where it goes: without endpoints there is one, of no address. */
  readonly local: boolean;
  readonly log: Logger;
  /** How names are looked up; by the system when absent. */
  readonly resolve?: Resolve;
  /** How endpoints are checked. */
  readonly probe?: Probe;
  /** Its endpoints are still to come from the control plane: sessions wait for them. */
  readonly awaited?: boolean;
  /** Called when `pending` has become false, or true again. */
  readonly onPending?: () => void;
}

export class Cluster implements ClusterHandle, AttemptOwner, PendingHandlers {
  config: Config;
  readonly totals = new ClusterTotals();
  private readonly options: ClusterOptions;
  private readonly endpoints = new EndpointSet();
  private readonly surroundings: Surroundings;
  private readonly resolver: Resolver;
  private balancer: LoadBalancer;
  private checker: HealthChecker | undefined;
  /** Those that wait for a name to be looked up. */
  private readonly waiting = new Set<Pending>();
  private sessions = 0;
  private connecting = 0;
  private retries = 0;
  private started = false;
  private closed = false;
  private awaited: boolean;
  private wasPending = true;

  constructor(options: ClusterOptions) {
    const { config, createLoadBalancer, local, log, resolve, awaited = false } = options;
    this.options = options;
    this.awaited = awaited;
    this.config = config;
    this.balancer = createLoadBalancer(config.loadbalancer);
    this.resolver = new Resolver(config.dns, { log, resolve, onAnswer: (changed) => this.onAnswer(changed) });
    this.surroundings = { local, addressesOf: (name) => this.resolver.of(name) };
    this.resolver.watch(namesOf(config, local));
    this.follow();
  }

  /** Starts looking up names and checking health. */
  start(): void {
    this.started = true;
    this.resolver.start();
    this.startChecks();
    this.tellPending();
  }

  /** Whether its endpoints are not known yet: some are to come, or are looked up for the first time. */
  get pending(): boolean {
    return this.awaited || this.resolver.pending;
  }

  /** Endpoints that stay keep their state; the rest of the configuration counts from the next session on. */
  update(config: Config, awaited = false): void {
    const before = this.config;
    this.config = config;
    this.awaited = awaited;
    const changed = (field: keyof Config): boolean => JSON.stringify(before[field]) !== JSON.stringify(config[field]);
    if (changed('loadbalancer')) this.balancer = this.options.createLoadBalancer(config.loadbalancer);
    if (changed('endpoints')) this.resolver.watch(namesOf(config, this.options.local));
    if (changed('dns')) this.resolver.configure(config.dns);
    if (changed('endpoints') || changed('dns')) this.follow();
    if (changed('health_check')) {
      this.checker?.close();
      this.checker = undefined;
      if (this.started) this.startChecks();
    }
    for (const endpoint of this.endpoints.list) {
      if (config.health_check === undefined) endpoint.healthy = true;
      if (config.outlier_detection === undefined) endpoint.readmit();
    }
    this.endpoints.refresh();
    this.wake();
  }

  /** Stops what runs by itself. Sessions go on, and may still be connected again: to any endpoint, as none is watched. */
  async close(): Promise<void> {
    this.started = false;
    this.closed = true;
    this.awaited = false;
    this.resolver.close();
    this.checker?.close();
    for (const endpoint of this.endpoints.list) {
      endpoint.readmit();
      endpoint.healthy = true;
    }
    this.endpoints.refresh();
    this.wake();
    await this.options.connector.close?.();
  }

  get transparent(): boolean {
    return this.options.connector.transparent === true;
  }

  /** Datagrams of its endpoints that the kernel dropped; undefined where there can't be any. */
  get overflow(): number | undefined {
    return this.options.connector.overflow;
  }

  view(): readonly EndpointView[] {
    return this.endpoints.list.map(viewOf);
  }

  /**
   * Picks an endpoint and connects it. What the connector has at once is given at once.
   *
   * @throws ProxyError `CIRCUIT_OPEN`, `NO_ENDPOINT`, `HOST_NOT_FOUND`, or what the connector throws.
   */
  open(request: OpenRequest): Opening | Opened {
    this.checkLimits(request.retry);
    if (this.mustWait(request)) {
      const pending = this.newPending(request);
      this.waiting.add(pending);
      return pending;
    }
    const attempt = this.newAttempt(request);
    const result = this.connect(attempt);
    if (!('then' in result)) return this.opened(attempt, result);
    const pending = this.newPending(request);
    this.await(pending, attempt, result);
    return pending;
  }

  hasOther(tried: ReadonlySet<string>): boolean {
    return this.endpoints.hasOther(tried);
  }

  // What attempts, and those who wait for one, tell.

  outcome(endpoint: Endpoint, ok: boolean): void {
    if (ok) recordSuccess(endpoint);
    else this.blame(endpoint);
  }

  released(attempt: Attempt, error: ProxyError | undefined, verdict: boolean | undefined): void {
    const endpoint = attempt.target;
    this.countRequest(attempt, error);
    this.sessions--;
    endpoint.sessions--;
    if (error) this.totals.countFailure(error.code);
    if (error && isFault(error.code)) {
      if (verdict !== false) this.blame(endpoint);
    } else if (verdict === undefined) {
      recordSuccess(endpoint);
    }
  }

  onTimeout(pending: Pending): void {
    const { name } = this.config;
    const { request, attempt } = pending;
    const after = `after ${request.timeout} ms`;
    const error = attempt
      ? new ProxyError(
          'CONNECT_TIMEOUT',
          `endpoint ${attempt.target.name} of cluster ${name} is not connected ${after}`,
        )
      : this.awaited
        ? new ProxyError('NO_ENDPOINT', `cluster ${name} has no endpoints from the control plane ${after}`)
        : new ProxyError('HOST_NOT_FOUND', `cluster ${name} has no address of its endpoints ${after}`);
    pending.abort(this.failed(error, attempt));
  }

  onOver(pending: Pending): void {
    this.waiting.delete(pending);
    this.connecting--;
    if (pending.request.retry) this.retries--;
    if (pending.attempt) pending.attempt.target.sessions--;
  }

  /** Where nobody can be picked, and look-ups or the control plane may still bring someone. */
  private mustWait({ flow }: OpenRequest): boolean {
    if (this.config.original_destination) return false;
    return this.pending && (flow ? this.endpoints.at(flow.remote) === undefined : this.endpoints.usable === 0);
  }

  private checkLimits(retry: boolean): void {
    const { max_sessions, max_pending, max_retries } = this.config.circuit_breaker;
    let full: string | undefined;
    if (max_sessions > 0 && this.sessions + this.connecting >= max_sessions) full = `${max_sessions} sessions`;
    else if (max_pending > 0 && this.connecting >= max_pending) full = `${max_pending} connects under way`;
    else if (retry && max_retries > 0 && this.retries >= max_retries) full = `${max_retries} retries under way`;
    if (full !== undefined)
      throw this.failed(new ProxyError('CIRCUIT_OPEN', `cluster ${this.config.name} takes no more than ${full}`));
  }

  private newAttempt(request: OpenRequest): Attempt {
    const { list, usable } = this.endpoints;
    const { tried, metadata, flow, preferred } = request;
    const wanted = preferred === undefined ? undefined : this.endpoints.withKey(preferred);
    const endpoint = this.config.original_destination
      ? originalEndpoint(metadata)
      : flow
        ? this.endpoints.at(flow.remote)
        : usable > 0
          ? wanted && tried?.has(wanted.name) !== true
            ? wanted
            : this.endpoints.passingOver(tried, () => this.balancer.pick(list, metadata))
          : undefined;
    if (endpoint === undefined) throw this.failed(this.noEndpoint(flow));
    endpoint.totalAttempts++;
    tried?.add(endpoint.name);
    request.span?.picked(endpoint);
    return new Attempt(request, endpoint, this);
  }

  private connect(attempt: Attempt): Stream | Promise<Stream> {
    try {
      return this.options.connector.connect(attempt);
    } catch (error) {
      throw this.failed(error, attempt);
    }
  }

  private opened(attempt: Attempt, stream: Stream): Opened {
    this.sessions++;
    this.totals.sessions++;
    attempt.target.sessions++;
    attempt.target.totalSessions++;
    attempt.stream = stream;
    return attempt;
  }

  private newPending(request: OpenRequest): Pending {
    this.connecting++;
    if (request.retry) this.retries++;
    return new Pending(request, this);
  }

  private await(pending: Pending, attempt: Attempt, promise: Promise<Stream>): void {
    const startedAt = performance.now();
    pending.attempt = attempt;
    // Counted from the start: else all sessions of a burst would go to the endpoint that has the fewest.
    attempt.target.sessions++;
    promise.then(
      (stream) => {
        if (pending.over) {
          discard(stream);
          return;
        }
        this.totals.countConnect(performance.now() - startedAt, pending.request.span?.ids);
        pending.succeed(this.opened(attempt, stream));
      },
      (error: unknown) => {
        if (!pending.over) pending.abort(this.failed(error, attempt));
      },
    );
  }

  private onAnswer(changed: boolean): void {
    if (changed) this.follow();
    this.wake();
  }

  private tellPending(): void {
    const { pending } = this;
    if (pending === this.wasPending || !this.started) return;
    this.wasPending = pending;
    this.options.onPending?.();
  }

  /** Goes on with those who waited for a name, or for endpoints. */
  private wake(): void {
    this.tellPending();
    for (const pending of [...this.waiting]) {
      if (pending.over || this.mustWait(pending.request)) continue;
      this.waiting.delete(pending);
      try {
        const attempt = this.newAttempt(pending.request);
        const result = this.connect(attempt);
        if ('then' in result) this.await(pending, attempt, result);
        else pending.succeed(this.opened(attempt, result));
      } catch (error) {
        pending.abort(ProxyError.from(error));
      }
    }
  }

  private noEndpoint(flow: OpenRequest['flow']): ProxyError {
    const { name } = this.config;
    const { list } = this.endpoints;
    if (this.config.original_destination) {
      return new ProxyError('NO_ENDPOINT', `cluster ${name}: expected a session that was captured, found none`);
    }
    if (flow) {
      const { address, port } = flow.remote;
      return new ProxyError('NO_ENDPOINT', `cluster ${name} has no endpoint at ${address} port ${port} any more`);
    }
    if (list.length === 0) return new ProxyError('NO_ENDPOINT', `cluster ${name} has no endpoints`);
    const failures = this.resolver.failures();
    if (failures.length > 0 && list.every(({ located }) => !located))
      return new ProxyError(
        'HOST_NOT_FOUND',
        `cluster ${name} has no address of its endpoints: ${failures.join(', ')}`,
      );
    const lost = list.filter(({ located }) => !located).length;
    const counts = `${list.length - lost} unhealthy, ${lost} without an address`;
    return new ProxyError('NO_ENDPOINT', `cluster ${name} can use none of its ${list.length} endpoints: ${counts}`);
  }

  /** Counts a failure, and holds it against the endpoint whose fault it is. */
  private failed(error: unknown, attempt?: Attempt): ProxyError {
    const failure = ProxyError.from(error, 'CONNECT_FAILED');
    this.totals.countFailure(failure.code);
    if (attempt) this.countRequest(attempt, failure);
    if (attempt && isFault(failure.code)) this.blame(attempt.target);
    return failure;
  }

  /** An attempt is over that was a request of HTTP. Clients take an answer of 400 and above for a failure. */
  private countRequest({ beganAt, httpStatus, metadata, recorded }: Attempt, error: ProxyError | undefined): void {
    const { spec } = this.config;
    if (spec.protocol !== 'HTTP') return;
    const { method = spec.method } = jsonObject(metadata['HTTP']);
    const status = httpStatus >= 400 ? String(httpStatus) : httpStatus === 0 ? OTHER_ERROR : undefined;
    const scheme = spec.tls === undefined ? 'http' : 'https';
    const elapsed = performance.now() - beganAt;
    this.totals.requests.add(elapsed, method, scheme, httpStatus, error?.code ?? status, recorded);
  }

  private blame(endpoint: Endpoint): void {
    const { outlier_detection, name: cluster } = this.config;
    const { list } = this.endpoints;
    const duration = recordFailure(endpoint, this.closed ? undefined : outlier_detection, list, Date.now());
    if (duration === 0) return;
    this.options.log.warn(
      { cluster, endpoint: endpoint.name, ms: duration },
      'endpoint ejected: it failed its sessions',
    );
    endpoint.ejection = setTimeout(() => {
      endpoint.readmit();
      this.endpoints.refresh();
      this.options.log.info({ cluster, endpoint: endpoint.name }, 'endpoint readmitted');
    }, duration).unref();
    this.endpoints.refresh();
  }

  private follow(): void {
    this.endpoints.follow(this.config, this.surroundings);
    this.checker?.watch(this.endpoints.list);
    this.options.connector.retain?.(new Set(this.endpoints.list.map(({ connectionKey }) => connectionKey)));
  }

  private startChecks(): void {
    const { config, options, endpoints } = this;
    if (config.health_check === undefined) return;
    this.checker = new HealthChecker(config.health_check, {
      probe: options.probe,
      onChange: (endpoint, reason) => {
        endpoints.refresh();
        const fields = { cluster: config.name, endpoint: endpoint.name };
        if (endpoint.healthy) options.log.info(fields, 'endpoint is healthy');
        else options.log.warn({ ...fields, reason }, 'endpoint is unhealthy');
      },
    });
    this.checker.watch(endpoints.list);
  }
}
