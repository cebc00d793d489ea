/** Clusters whose connector, clock and look-ups the test plays. */
import { mock } from 'node:test';
import type { Cluster as Config, Endpoint as EndpointConfig } from '../../gen/l7mp/config/v1/types.ts';
import { Cluster, type ClusterOptions } from '../../dataplane/cluster/cluster.ts';
import type { OpenRequest, Opened } from '../../dataplane/core/cluster.ts';
import { ProxyError } from '../../common/errors.ts';
import type { LogFields, Logger } from '../../common/log.ts';
import type { ConnectRequest, Connector } from '../../dataplane/core/protocol.ts';
import type { Metadata } from '../../dataplane/core/session.ts';
import type { Stream } from '../../dataplane/core/stream.ts';
import { createLoadBalancer } from '../../dataplane/lb/index.ts';
import { silentLogger } from './doubles.ts';
import { FakeStream } from './fake-stream.ts';

/** A configured endpoint; `a` is at 10.0.0.1, `b` at 10.0.0.2, and so on, unless an address is given. */
export function endpoint(name: string, address?: string, weight = 1): EndpointConfig {
  return { name, spec: { address: address ?? `10.0.0.${name.charCodeAt(0) - 96}`, port: 0 }, weight };
}

/** A configured cluster with every default filled in. */
export function clusterConfig(overrides: Partial<Config> = {}): Config {
  return {
    name: 'cluster',
    spec: { protocol: 'TCP', port: 80, no_delay: true, proxy_protocol: 'off' },
    endpoints: [endpoint('a'), endpoint('b'), endpoint('c')],
    loadbalancer: { policy: 'Trivial', table_size: 65537, points: 160 },
    circuit_breaker: { max_sessions: 0, max_pending: 0, max_retries: 0 },
    dns: { interval: 5000, family: 'any', all: false },
    framing: 'none',
    connect_timeout: 0,
    original_destination: false,
    ...overrides,
  };
}

/** A connect that the test settles. */
export interface Connecting {
  readonly request: ConnectRequest;
  succeed(): FakeStream;
  fail(error: unknown): void;
}

export class FakeConnector implements Connector {
  readonly requests: ConnectRequest[] = [];
  /** Connects under way, in order. */
  readonly connecting: Connecting[] = [];
  /** How connects end: at once with a stream, by an error, or when the test says so. */
  plan: (request: ConnectRequest) => 'later' | Error | FakeStream = () => new FakeStream();
  closed = 0;
  /** What it was told last that its targets are. */
  retained: readonly string[] = [];

  retain(keys: ReadonlySet<string>): void {
    this.retained = [...keys];
  }

  connect(request: ConnectRequest): Stream | Promise<Stream> {
    this.requests.push(request);
    const outcome = this.plan(request);
    if (outcome instanceof Error) throw outcome;
    if (outcome !== 'later') return outcome;
    return new Promise((resolve, reject) => {
      const succeed = (): FakeStream => {
        const stream = new FakeStream();
        resolve(stream);
        return stream;
      };
      this.connecting.push({ request, succeed, fail: reject });
    });
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  /** The names of the endpoints that were connected, in order. */
  get targets(): string[] {
    return this.requests.map(({ target }) => target.name);
  }
}

export interface TestCluster {
  readonly cluster: Cluster;
  readonly connector: FakeConnector;
  /** Opens a session that is expected to be connected at once. */
  readonly connect: (metadata?: Metadata) => Opened;
  /** The code of the error that opening a session throws. */
  readonly refusal: (request?: Partial<OpenRequest>) => string;
}

export function request(overrides: Partial<OpenRequest> = {}): OpenRequest {
  return { session: 'session', metadata: {}, timeout: 2000, retry: false, altered: false, ...overrides };
}

export function testCluster(overrides: Partial<Config> = {}, options: Partial<ClusterOptions> = {}): TestCluster {
  const connector = new FakeConnector();
  const cluster = new Cluster({
    config: clusterConfig(overrides),
    connector,
    createLoadBalancer,
    local: false,
    log: silentLogger,
    ...options,
  });
  return {
    cluster,
    connector,
    connect: (metadata = {}) => {
      const result = cluster.open(request({ metadata }));
      if (!('stream' in result)) throw new Error('expected a stream at once, found an opening');
      return result;
    },
    refusal: (overriding) => {
      try {
        cluster.open(request(overriding));
      } catch (error) {
        if (error instanceof ProxyError) return error.code;
        throw error;
      }
      throw new Error('expected an error, found a session');
    },
  };
}

/** Stops the clock: `tick` moves it, and lets what waits for promises go on. */
export function stopClock(): { readonly tick: (ms: number) => Promise<void>; readonly restore: () => void } {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_000 });
  const monotonic = mock.method(performance, 'now', () => Date.now() - 1_700_000_000_000);
  return {
    tick: async (ms) => {
      mock.timers.tick(ms);
      await settled();
    },
    restore: () => {
      monotonic.mock.restore();
      mock.timers.reset();
    },
  };
}

/** Resolves when the promises that are settled now have told those who wait for them. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Keeps what is logged, as `level: message`. */
export function recordingLogger(): Logger & { readonly lines: string[]; readonly fields: LogFields[] } {
  const lines: string[] = [];
  const fields: LogFields[] = [];
  const at =
    (level: string) =>
    (more: LogFields, message: string): void => {
      fields.push(more);
      lines.push(`${level}: ${message}`);
    };
  return { lines, fields, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
