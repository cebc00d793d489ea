/** The REST API over a configuration in memory: nothing listens, and sessions are what the test says. */
import { createAdminApi } from '../../dataplane/admin/index.ts';
import type { EndpointState, TapService } from '../../dataplane/admin/types.ts';
import type { TapView } from '../../dataplane/core/tap.ts';
import type { TapRecord } from '../../dataplane/taps/records.ts';
import type { Tap } from '../../gen/l7mp/config/v1/types.ts';
import { decodeConfig, decodeObject, decodeTap } from '../../config/decode.ts';
import { doubts } from '../../config/doubts.ts';
import { createJsonSchemas } from '../../config/json-schema.ts';
import { parseText } from '../../config/parse.ts';
import { compact, toPlain } from '../../config/print.ts';
import type { Refusal } from '../../config/reloads.ts';
import type { ConfigDelta, ConfigSink, ConfigSnapshot, Source } from '../../config/snapshot.ts';
import type { OffloadStatus } from '../../dataplane/core/offload.ts';
import type { ControlPlaneState } from '../../dataplane/core/control-plane.ts';
import { CONTENT_TYPES, formatFor } from '../../common/telemetry/metrics-format.ts';
import { type Fault, FaultsError, type ProxyError } from '../../common/errors.ts';
import type { Response } from '../../dataplane/core/protocol.ts';
import type { Serving } from '../../dataplane/core/serving.ts';
import type { SessionView } from '../../dataplane/core/session.ts';
import { withDelta, withLocal } from '../../dataplane/runtime/plan.ts';
import type { TrafficTotals } from '../../dataplane/admin/traffic-window.ts';
import type { TrafficReport } from '../../gen/messages.ts';
import { schema } from '../../gen/l7mp/config/v1/schema.ts';

/** Changes one after the other, each with a pause in which others may come. */
export class MemorySink implements ConfigSink {
  snapshot: ConfigSnapshot;
  /** What the next change fails with. */
  failure: Error | undefined;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(snapshot: ConfigSnapshot) {
    this.snapshot = snapshot;
  }

  apply(delta: ConfigDelta | ((snapshot: ConfigSnapshot) => ConfigDelta), source?: Source): Promise<void> {
    return this.enqueue(() =>
      withDelta(this.snapshot, typeof delta === 'function' ? delta(this.snapshot) : delta, source),
    );
  }

  replace(snapshot: ConfigSnapshot | ((current: ConfigSnapshot) => ConfigSnapshot)): Promise<void> {
    return this.enqueue(() =>
      withLocal(this.snapshot, typeof snapshot === 'function' ? snapshot(this.snapshot) : snapshot),
    );
  }

  private enqueue(make: () => ConfigSnapshot): Promise<void> {
    const result = this.queue.then(async () => {
      const next = make();
      await new Promise((resolve) => setImmediate(resolve));
      if (this.failure) throw this.failure;
      this.snapshot = next;
    });
    this.queue = result.catch(() => undefined);
    return result;
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Response['headers'];
  readonly text: string;
  /** The body, where it is JSON: whatever the test expects of it. */
  readonly body: Shown;
  /** The same, where a list is expected. */
  readonly list: readonly Shown[];
}

/** Fields of answers. Which of them an answer has, the tests find out. */
export interface Shown {
  readonly status: number;
  readonly message: string;
  readonly content: string;
  readonly faults: readonly Fault[];
  readonly name: string;
  readonly spec: { readonly tls: { readonly key: string } };
  readonly options: { readonly track: number };
  readonly rules: Shown & readonly Shown[];
  readonly action: { readonly route: Shown };
  readonly destination: Shown;
  readonly ingress: readonly Shown[];
  readonly endpoints: readonly Shown[];
  readonly resolved: readonly { readonly health: string }[];
  readonly admin: { readonly strict: boolean };
  readonly clusters: readonly Shown[];
  readonly listeners: readonly Shown[];
  readonly sessions: readonly Shown[];
  readonly openapi: string;
}

export interface TestApi {
  readonly sink: MemorySink;
  readonly sessions: Map<string, SessionView>;
  readonly logLevels: string[];
  /** Lines of the log: of changes, and of requests that were refused. */
  readonly audits: object[];
  readonly states: Map<string, EndpointState[]>;
  readonly operations: readonly { readonly path: string; readonly method: string }[];
  ready: boolean;
  /** By kind and name, as in `Listener in`; what is not here serves. */
  readonly serving: Map<string, Serving>;
  controlPlane: ControlPlaneState | undefined;
  offload: OffloadStatus | undefined;
  readonly taps: FakeTaps;
  /** Where requests come in. */
  local: string | undefined;
  /** What sessions have moved; nothing where the test does not say. */
  totals: () => TrafficTotals;
  traffic: TrafficReport;
  refusal: Refusal | undefined;
  readonly stopping: AbortController;
  get(url: string, headers?: Record<string, string>): Promise<Answer>;
  delete(url: string): Promise<Answer>;
  post(url: string, body: unknown, type?: string): Promise<Answer>;
  send(method: string, url: string, headers?: Record<string, string>, body?: string | Buffer): Promise<Answer>;
}

/** `config`: what the YAML file would hold. */
export function createTestApi(config: object = {}): TestApi {
  const { value, faults } = decodeConfig(config);
  if (value === undefined) throw new FaultsError(faults);
  const sink = new MemorySink(value);
  const sessions = new Map<string, SessionView>();
  const logLevels: string[] = [];
  const audits: object[] = [];
  const states = new Map<string, EndpointState[]>();
  const taps = new FakeTaps();
  const stopping = new AbortController();
  const { handle, operations } = createAdminApi({
    admin: value.admin,
    sink,
    log: {
      info: (fields, msg) => audits.push({ ...fields, msg }),
      warn: (fields, msg) => audits.push({ ...fields, msg }),
    },
    sessions: { list: () => sessions.values(), get: (name) => sessions.get(name) },
    endpoints: (name) => states.get(name) ?? statesOf(sink.snapshot, name),
    addressOf: (name) => (sink.snapshot.listeners.has(name) ? '127.0.0.1:5000' : undefined),
    overflowOf: (name) => (sink.snapshot.listeners.get(name)?.value.spec.protocol === 'UDP' ? 7 : undefined),
    compactSpec: (message, spec) => compact(schema, message, spec),
    jsonSchemas: (refer) => createJsonSchemas({ schema, refer, lenient: true }),
    plain: (snapshot) => toPlain(schema, snapshot),
    plainCluster: (cluster) => compact(schema, 'Cluster', cluster),
    setLogLevel: (level) => logLevels.push(level),
    metrics: (accept) => Promise.resolve({ contentType: CONTENT_TYPES[formatFor(accept)], text: '# nothing\n' }),
    decodeConfig: (raw, lenient) => decodeConfig(raw, { schema, lenient }),
    decodeObject: (kind, raw, lenient) => decodeObject(kind, raw, sink.snapshot, { schema, lenient }),
    parse: parseText,
    check: (config) => Promise.resolve(doubts(config)),
    totals: () => api.totals(),
    traffic: () => api.traffic,
    faults: () => api.traffic.faults,
    refusal: () => api.refusal,
    stopping: stopping.signal,
    ready: () => api.ready,
    servingOf: (kind, name) => api.serving.get(`${kind} ${name}`),
    decodeTap: (raw, lenient) => decodeTap(raw, { schema, lenient }),
    taps,
    controlPlane: () => api.controlPlane,
    offload: () => api.offload,
  });
  const send: TestApi['send'] = async (method, url, headers = {}, body = '') => {
    const answer = await handle({ method, url, headers, body: Buffer.from(body), local: api.local });
    const text = await textOf(answer);
    const isJson = answer.headers['content-type']?.startsWith('application/json') === true;
    const parsed: unknown = isJson ? JSON.parse(text) : undefined;
    return { ...answer, text, body: parsed as Shown, list: Array.isArray(parsed) ? (parsed as Shown[]) : [] };
  };
  const api: TestApi = {
    sink,
    sessions,
    logLevels,
    audits,
    states,
    operations,
    ready: true,
    serving: new Map(),
    controlPlane: undefined,
    offload: undefined,
    taps,
    local: undefined,
    totals: () => ({ listeners: new Map(), clusters: new Map() }),
    traffic: { time: '2026-01-01T00:00:00.000Z', items: [], omitted: 0, faults: [] },
    refusal: undefined,
    stopping,
    send,
    get: (url, headers) => send('GET', url, headers),
    delete: (url) => send('DELETE', url),
    post: (url, body, type = 'application/json') =>
      send('POST', url, { 'content-type': type }, typeof body === 'string' ? body : JSON.stringify(body)),
  };
  return api;
}

async function textOf({ body, headers }: Response): Promise<string> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return body.toString();
  const isEndless = headers['content-type']?.startsWith('text/event-stream') === true;
  let text = '';
  for await (const part of body) {
    text += part;
    // Events have no end.
    if (isEndless) break;
  }
  return text;
}

/** What a tap tells that ends at once. */
export function recordsOf(request: Tap): TapRecord[] {
  const sums = { sessions: 0, messages: 0, bytes: 0, dropped: { messages: 0, bytes: 0 } };
  return [
    { type: 'start', time: 1, tap: 1, request },
    { type: 'stop', time: 2, reason: 'enough', ...sums },
  ];
}

/** Taps that end at once, and what was asked for. */
export class FakeTaps implements TapService {
  readonly started: Tap[] = [];
  readonly refusals: string[] = [];
  running: TapView[] = [];
  /** Why they were to end. */
  readonly reasons: string[] = [];

  async *start(tap: Tap): AsyncIterableIterator<string> {
    this.started.push(tap);
    await Promise.resolve();
    for (const record of recordsOf(tap)) yield `${JSON.stringify(record)}\n`;
  }

  list(): readonly TapView[] {
    return this.running;
  }

  stop(id: number, reason: string): boolean {
    this.reasons.push(reason);
    const before = this.running.length;
    this.running = this.running.filter((tap) => tap.id !== id);
    return this.running.length < before;
  }

  refused(_watcher: unknown, reason: string): void {
    this.refusals.push(reason);
  }
}

/** Every endpoint healthy; one of no address where there is none. */
function statesOf({ clusters }: ConfigSnapshot, name: string): EndpointState[] {
  const cluster = clusters.get(name)?.value;
  if (cluster === undefined) return [];
  const state = { health: 'healthy', sessions: 0, totalSessions: 0, totalFailures: 0 };
  if (cluster.endpoints.length === 0) return [{ name, address: '', port: 0, ...state }];
  return cluster.endpoints.map(({ name: each, spec }) => ({
    name: each,
    address: spec.address ?? '',
    port: spec.port,
    ...state,
  }));
}

export interface FakeSession extends SessionView {
  destroyedWith: ProxyError | undefined;
}

/** A connected session from listener `in` to cluster `out`. */
export function fakeSession(overrides: Partial<SessionView> = {}): FakeSession {
  const session: FakeSession = {
    id: 1,
    name: 'UDP:127.0.0.1:46876-0.0.0.0:9002-0',
    listener: 'in',
    metadata: {
      name: 'UDP:127.0.0.1:46876-0.0.0.0:9002-0',
      IP: { src_addr: '127.0.0.1', dst_addr: '0.0.0.0' },
      UDP: { src_port: 46876, dst_port: 9002 },
    },
    status: 'CONNECTED',
    source: { origin: 'in', status: 'READY', attempts: 1 },
    destination: {
      origin: 'out',
      endpoint: { name: 'out-EndPoint-1', address: '127.0.0.2', port: 9003 },
      status: 'READY',
      attempts: 1,
    },
    ingress: [],
    egress: [],
    events: [
      { event: 'INIT', timestamp: 1_600_000_000_000, message: 'new session from listener in' },
      { event: 'LOOKUP SUCCESS', timestamp: 1_600_000_000_001, message: 'route r by rule ru' },
      { event: 'CONNECT', timestamp: 1_600_000_000_002, message: 'all stages are connected', content: 'out' },
    ],
    startedAt: 1_600_000_000_000,
    endedAt: undefined,
    elapsed: 0,
    counters: { ingress: { bytes: 10, packets: 2, dropped: 0 }, egress: { bytes: 5, packets: 1, dropped: 0 } },
    offload: { state: 'user', reason: 'expected UDP on both sides' },
    rate: 0,
    rates: { ingress: { bytes: 0, packets: 0 }, egress: { bytes: 0, packets: 0 } },
    rulelist: 'rl',
    rule: 'ru',
    route: 'r',
    reason: undefined,
    retries: 0,
    destroyedWith: undefined,
    destroy(error) {
      session.destroyedWith = error;
    },
    ...overrides,
  };
  return session;
}
