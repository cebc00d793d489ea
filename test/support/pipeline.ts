/** A pipeline of fake streams: sessions run for real, between a client and clusters that the test plays. */
import type { Cluster, Listener, Retry, Route, Rule } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, OpenRequest, Opened, Opening } from '../../dataplane/core/cluster.ts';
import { ProxyError } from '../../common/errors.ts';
import { recordingLogger } from './cluster.ts';
import type { LeftPair } from '../../dataplane/core/offload.ts';
import type { Metadata, SessionView } from '../../dataplane/core/session.ts';
import type { KernelPath } from '../../dataplane/core/kernel-path.ts';
import type { RoutingTable } from '../../dataplane/pipeline/routing.ts';
import { type Admission, type ProtocolDefaults, Sessions } from '../../dataplane/pipeline/sessions.ts';
import { FakeStream } from './fake-stream.ts';

export class FakeCluster implements ClusterHandle {
  readonly config: Cluster;
  transparent = false;
  readonly requests: OpenRequest[] = [];
  /** The streams that were given, in order. */
  readonly streams: FakeStream[] = [];
  readonly released: (ProxyError | undefined)[] = [];
  readonly answers: number[] = [];
  /** How the next attempts end: a stream, an error, or never. The last is repeated. */
  plan: (() => FakeStream | ProxyError | 'never')[] = [() => new FakeStream()];
  aborted: ProxyError | undefined;
  /** Streams are given when this has resolved. */
  wait: Promise<void> | undefined;
  /** What `open` picks, in turns. */
  endpoints = ['endpoint'];

  constructor(name: string, config: Partial<Cluster> = {}) {
    this.config = { ...({ framing: 'none', connect_timeout: 0 } as Cluster), name, ...config };
  }

  get last(): FakeStream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error(`cluster ${this.config.name} has no stream yet`);
    return stream;
  }

  hasOther(tried: ReadonlySet<string>): boolean {
    return this.endpoints.some((name) => !tried.has(name));
  }

  open(request: OpenRequest): Opening | Opened {
    this.requests.push(request);
    const name = this.endpoints[(this.requests.length - 1) % this.endpoints.length]!;
    request.tried?.add(name);
    const outcome = (this.plan.length > 1 ? this.plan.shift()! : this.plan[0]!)();
    if (outcome === 'never') {
      let reject: (error: ProxyError) => void;
      const opened = new Promise<Opened>((_resolve, fail) => (reject = fail));
      return {
        opened,
        abort: (error) => {
          this.aborted = error;
          reject(error);
        },
      };
    }
    if (outcome instanceof ProxyError) throw outcome;
    this.streams.push(outcome);
    const endpoint = { name, address: '127.0.0.1', port: 1, hashKey: name };
    const opened: Opened = {
      stream: outcome,
      endpoint,
      answered: (status) => this.answers.push(status),
      release: (error) => this.released.push(error),
    };
    return this.wait ? { opened: this.wait.then(() => opened), abort: () => undefined } : opened;
  }
}

/** A configured retry with every default filled in. */
export function retry(overrides: Partial<Retry> = {}): Retry {
  return { retry_on: 'never', num_retries: 1, timeout: 2000, statuses: [], max_body_bytes: 65_536, ...overrides };
}

/** A configured route with every default filled in. */
export function route(overrides: Partial<Route> = {}): Route {
  return {
    name: 'route',
    destination: 'cluster',
    destinations: [],
    ingress: [],
    egress: [],
    retry: retry({ timeout: 10 }),
    timeouts: { connect: 0, session: 0, half_close: 1000, attempt: 0 },
    mirrors: [],
    ...overrides,
  };
}

export interface Harness {
  readonly sessions: Sessions;
  readonly admission: Admission;
  readonly ended: SessionView[];
  /** Those that are left in the kernel. */
  readonly left: SessionView[];
  readonly refused: string[];
  readonly log: ReturnType<typeof recordingLogger>;
  cluster(name: string): FakeCluster;
  /** A client comes. */
  accept(client: FakeStream, metadata?: Metadata, resumed?: LeftPair): SessionView | undefined;
}

/** Sessions of one listener with one rule and one route. Clusters are made when they are first named. */
export function harness(
  routed: Partial<Route> = {},
  options: Partial<Listener['options']> = {},
  rule: Partial<Rule> = {},
  defaults: ProtocolDefaults = {},
  kernel?: KernelPath,
): Harness {
  const clusters = new Map<string, FakeCluster>();
  const ended: SessionView[] = [];
  const left: SessionView[] = [];
  const refused: string[] = [];
  const log = recordingLogger();
  const cluster = (name: string): FakeCluster => {
    const existing = clusters.get(name) ?? new FakeCluster(name);
    clusters.set(name, existing);
    return existing;
  };
  const table: RoutingTable = {
    rulelist: (name) => (name === 'rules' ? { name, rules: ['rule'] } : undefined),
    rule: (name) => ({ name, action: { rewrite: [], route: 'route' }, ...rule }),
    route: (name) => (name === 'route' ? route(routed) : undefined),
    cluster: (name) => (name === 'missing' ? undefined : cluster(name)),
  };
  const sessions = new Sessions({
    log,
    table: () => table,
    kernel,
    onEnd: (session, goesOn) => (goesOn ? left : ended).push(session),
    onRefused: (_listener, code) => refused.push(code),
  });
  const listener: Listener = {
    name: 'listener',
    spec: { protocol: 'Stdio' },
    rules: 'rules',
    options: {
      track: 0,
      sessions_per_second: 0,
      datagrams_per_second: 0,
      bytes_per_second: 0,
      queue_limit: 4,
      framing: 'none',
      offload: { policy: 'auto', threshold: 1000, byte_threshold: 1e7 },
      telemetry: {
        access_log: { sessions: 'all', percent: 100 },
        tracing: { enabled: true, attributes: [] },
      },
      ...options,
    },
  };
  const admission = sessions.admission(listener, defaults);
  let counter = 0;
  return {
    sessions,
    admission,
    ended,
    left,
    refused,
    log,
    cluster,
    accept: (stream, metadata = {}, resumed) => {
      const name = resumed?.note.name ?? `session-${String(counter++)}`;
      admission.accept({ name, metadata, stream, resumed });
      return sessions.get(name);
    },
  };
}
