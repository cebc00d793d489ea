/** The proxy: its parts are made and joined here, and nowhere else. */
import { hostname } from 'node:os';
import type { TrafficReport } from '../gen/messages.ts';
import { createAdminApi } from './admin/index.ts';
import { ApiListener } from './api-listener.ts';
import { Cluster } from './cluster/cluster.ts';
import { decodeConfig, decodeObject, decodeTap, emptySnapshot, withPlugins } from '../config/decode.ts';
import { createJsonSchemas } from '../config/json-schema.ts';
import { parseText } from '../config/parse.ts';
import { compact, toPlain } from '../config/print.ts';
import type { Reloads } from '../config/reloads.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import { ProxyError } from '../common/errors.ts';
import type { Plugin, Services } from './core/protocol.ts';
import type { SessionView } from './core/session.ts';
import { PluginGuard } from './guard/plugin-guard.ts';
import { catchFor } from './guard/uncaught.ts';
import { NO_CAPTURE, openCapture, openKernelPath } from './kernel-parts.ts';
import { createLoadBalancer } from './lb/index.ts';
import { LiveTable } from './live-table.ts';
import { checkLogFiles } from './log-files.ts';
import { predicateOf } from './pipeline/match.ts';
import { Sessions } from './pipeline/sessions.ts';
import { protocols as builtin } from './protocols/index.ts';
import { resumeSessions } from './resume.ts';
import { withLocal } from './runtime/plan.ts';
import { ProtocolRegistry } from './runtime/protocols.ts';
import { Reconciler } from './runtime/reconciler.ts';
import { TapList } from './taps/tap-list.ts';
import { openTelemetry } from './telemetry/index.ts';
import type { MetricsPage } from '../common/telemetry/metrics-format.ts';
import { createLogger, type LogLevel, type ProcessLogger } from '../common/telemetry/log.ts';
import type { OtelSettings } from '../common/telemetry/otel-settings.ts';
import { reportTraffic } from './topology/topology.ts';
import { SessionWays } from './topology/way-totals.ts';
import type { XdsClient } from './xds/client.ts';
import type { ControlPlaneOptions } from './xds/types.ts';

export interface ProxyOptions {
  /** The first configuration; its `admin` part is that of the process for good. Empty when absent. */
  readonly config?: ConfigSnapshot;
  /** How reading it again has fared, as it goes on. Undefined: it is of no file. */
  readonly reloads?: Reloads | undefined;
  /** Protocols beside the built-in ones. */
  readonly plugins?: readonly Plugin[];
  /** The log's level, whatever the configuration says. */
  readonly logLevel?: LogLevel;
  /** Whether the REST API is served by itself, where no listener of the configuration has its port. Default: true. */
  readonly api?: boolean;
  readonly log?: ProcessLogger;
  /** What it is called among the proxies of a host and of a control plane. Default: the host's name. */
  readonly id?: string | undefined;
  /** Where configuration comes from, beside the proxy's own; from nowhere when absent. */
  readonly controlPlane?: ControlPlaneOptions | undefined;
  /** Everything is made as for a start, and nothing starts: what is wrong shows. Default: false. */
  readonly dryRun?: boolean;
  /** What is exported by OTLP: nothing when absent. */
  readonly otel?: OtelSettings | undefined;
  /** Told of each session that has ended. */
  readonly onSessionEnd?: (session: SessionView) => void;
}

/** A running proxy. */
export interface Proxy {
  readonly log: ProcessLogger;
  /** Replaces the configuration, as a whole or not at all. @throws FaultsError */
  replace(config: ConfigSnapshot): Promise<void>;
  /** Where a listener listens, as in `127.0.0.1:5000`. */
  addressOf(listener: string): string | undefined;
  /** Where the REST API is served by itself, as in `127.0.0.1:1234`. */
  readonly apiAddress: string | undefined;
  readonly snapshot: ConfigSnapshot;
  /** Whether the first configuration is live, that of the control plane included, and the proxy isn't stopping. */
  readonly ready: boolean;
  sessions(): Iterable<SessionView>;
  readonly metrics: MetricsPage;
  /** Opens log files anew. */
  reopenLogs(): void;
  /** Takes no new sessions, and closes when the last has ended or after `timeout` ms. */
  drain(timeout: number): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
  /** For an exit that waits for nothing: what the kernel has, it has no more, and whose connections it relays is told. */
  abandonKernel(): void;
}

/** Starts a proxy. @throws FaultsError where its configuration can't be made live; nothing is left behind then. */
export async function createProxy(options: ProxyOptions = {}): Promise<Proxy> {
  const first = options.config ?? emptySnapshot();
  const { admin } = first;
  checkLogFiles(admin, options.log === undefined, options.dryRun === true || options.otel?.logs !== undefined);
  const log = options.log ?? createLogger(options.logLevel ?? admin.log_level, admin.log_file);
  const instance = options.id ?? hostname();
  const telemetry = await openTelemetry({ admin, otel: options.dryRun ? undefined : options.otel, instance, log });

  const kernel = options.dryRun ? undefined : await openKernelPath(admin, instance, log);

  const capture = options.dryRun ? NO_CAPTURE : await openCapture(admin, log);

  const ways = new SessionWays();
  const plugins = new Map(
    (options.plugins ?? []).map((plugin) => [plugin.protocol.name, new PluginGuard(plugin, log)]),
  );
  const stopCatching = catchFor(plugins.values());
  const services: Services = {
    api: (request) => api(request),
    metrics: async ({ headers }) => {
      const { contentType, text } = await metrics(headers['accept']);
      return { status: 200, headers: { 'content-type': contentType }, body: text };
    },
    meter: telemetry.counters,
  };
  const registry = new ProtocolRegistry(
    async (name) => plugins.get(name)?.protocol ?? (await builtin[name]?.())?.protocol,
    services,
    log,
    { get: (name) => reconciler.get(name), watch: (changed) => reconciler.watch(changed) },
    capture,
  );

  const apiListener = new ApiListener(admin, registry, log);
  let table: LiveTable | undefined;
  const sessions: Sessions = new Sessions({
    log,
    table: () => {
      const { live } = reconciler;
      if (table?.live !== live) table = new LiveTable(live);
      return table;
    },
    kernel,
    tracing: telemetry.tracing,
    onEnd: (session, goesOn) => {
      telemetry.ended(session, goesOn);
      ways.ended(session);
      if (!goesOn) options.onSessionEnd?.(session);
    },
    onRefused: (listener, code) => {
      telemetry.refused(listener, code);
      ways.refuse(listener);
    },
  });
  const reconciler: Reconciler<Cluster> = new Reconciler<Cluster>(
    {
      protocols: registry,
      makeCluster: (config, connector, { local = false }, awaited) =>
        new Cluster({
          config,
          connector,
          createLoadBalancer,
          local,
          log,
          awaited,
          onPending: () => reconciler.notify(),
        }),
      makeDoor: (config, protocol) => sessions.admission(config, protocol),
      neighbour: (options.api ?? true) ? apiListener : undefined,
      controlPlane: options.controlPlane !== undefined || options.dryRun === true, // which may have what is missing
      log,
    },
    emptySnapshot(),
  );

  const taps = new TapList({
    limits: admin.taps,
    point: sessions.taps,
    parties: {
      listener: (name) => {
        const { spec, options: settings } = reconciler.snapshot.listeners.get(name)?.value ?? {};
        return spec && { protocol: spec.protocol, framing: settings?.framing };
      },
      cluster: (name) => {
        const { spec, framing } = reconciler.snapshot.clusters.get(name)?.value ?? {};
        return spec && { protocol: spec.protocol, framing };
      },
    },
    log,
  });

  let ready = false;
  const stopping = new AbortController();
  let stopResuming: (() => void) | undefined;
  let xds: XdsClient | undefined;
  const isReady = (): boolean => ready && (xds?.ready ?? true);
  const isHandedOut = (listener: string): boolean =>
    reconciler.snapshot.listeners.get(listener)?.source === 'controlplane';
  const clusters = () =>
    [...reconciler.live.clusters].map(([name, cluster]) => ({
      name,
      endpoints: cluster.view(),
      overflow: cluster.overflow,
      failures: cluster.totals.failures,
      connectLatency: cluster.totals.connectLatency,
      requests: cluster.totals.requests,
    }));
  const totals = () => telemetry.totals.with(sessions.list());
  const metrics = telemetry.follow({
    totals,
    listeners: () =>
      Array.from(reconciler.snapshot.listeners.keys(), (name) => {
        const { overflow, certificateExpiry } = reconciler.listener(name) ?? {};
        // One of the proxy's own that there is nothing of could not be started again after a change that failed.
        const state = reconciler.servingOf('Listener', name)?.state ?? (isHandedOut(name) ? 'warming' : 'failed');
        return { name, state, overflow, certificateExpiry };
      }),
    clusters,
    controlPlane: () => xds?.state,
    offload: () => kernel,
    taps: () => taps.sums(),
    reloads: () => options.reloads,
  });
  const traffic = (): TrafficReport =>
    reportTraffic({
      ways,
      sessions: () => sessions.list(),
      snapshot: () => reconciler.snapshot,
      addressOf: (listener) => reconciler.addressOf(listener),
      clusters,
      offload: () => kernel,
    });
  const schema = withPlugins([...plugins.values()].map(({ protocol }) => protocol));
  const { handle: api, sessionsReport } = createAdminApi({
    admin: { ...admin, log_level: options.logLevel ?? admin.log_level },
    log,
    sink: reconciler,
    sessions: { list: () => sessions.list(), get: (name) => sessions.get(name) },
    endpoints: (cluster) => reconciler.live.clusters.get(cluster)?.view() ?? [],
    addressOf: (listener) => reconciler.addressOf(listener),
    overflowOf: (listener) => reconciler.overflowOf(listener),
    compactSpec: (message, spec) => compact(schema, message, spec),
    jsonSchemas: (refer) => createJsonSchemas({ schema, refer, lenient: true }),
    plain: (snapshot) => toPlain(schema, snapshot),
    plainCluster: (cluster) => compact(schema, 'Cluster', cluster),
    setLogLevel: (level) => log.setLevel(level),
    metrics,
    decodeConfig: (raw, lenient) => decodeConfig(raw, { schema, lenient }),
    decodeObject: (kind, raw, lenient) => decodeObject(kind, raw, reconciler.snapshot, { schema, lenient }),
    parse: parseText,
    check: async (config) => {
      const next = withLocal(reconciler.snapshot, config);
      await reconciler.check(next);
      return (await import('../config/doubts.ts')).doubts(next, options.controlPlane !== undefined);
    },
    totals,
    traffic,
    faults: () => ways.faults,
    refusal: () => options.reloads?.refusal,
    stopping: stopping.signal,
    ready: isReady,
    decodeTap: (raw, lenient) => decodeTap(raw, { schema, lenient }),
    taps: {
      start: (tap, watcher) => {
        const matches = predicateOf(tap.match);
        return taps.start(tap, ({ metadata }) => matches(metadata), watcher);
      },
      list: () => taps.list(),
      stop: (id, reason) => taps.stop(id, reason),
      refused: (watcher, reason) => taps.refused(watcher, reason),
    },
    controlPlane: () => xds?.state,
    offload: () => kernel,
    servingOf: (kind, name) => reconciler.servingOf(kind, name),
  });

  const close = async (end: () => Promise<void>): Promise<void> => {
    ready = false;
    taps.close();
    stopping.abort();
    await xds?.close();
    stopResuming?.();
    sessions.leave();
    await end();
    await reconciler.stopListening();
    kernel?.close();
    capture?.close();
    await apiListener.close();
    await reconciler.close();
    stopCatching();
    await telemetry.close();
    await log.close();
  };

  const endAll = async (): Promise<void> => {
    const stopped = reconciler.stopListening();
    await sessions.close();
    await stopped;
  };

  try {
    await (options.dryRun ? reconciler.check(first) : reconciler.replace(first));
    ready = true;
    if (options.controlPlane) {
      const [{ XdsClient }, { createResourceCodec }] = await Promise.all([
        import('./xds/client.ts'),
        import('./xds/resource-codec.ts'),
      ]);
      xds = new XdsClient(options.controlPlane, {
        sink: reconciler,
        codec: createResourceCodec(schema),
        servingOf: (kind, name) => reconciler.servingOf(kind, name),
        watch: (observer) => reconciler.watch(observer),
        live: {
          traffic,
          sessions: sessionsReport,
          end: (names) => {
            const why = new ProxyError('DELETED', 'deleted by the control plane');
            for (const name of names) sessions.get(name)?.destroy(why);
          },
        },
        onReady: () => reconciler.notify(),
        log,
      });
      await xds.start();
    }
    stopResuming =
      kernel?.kept &&
      resumeSessions({
        kept: kernel.kept,
        // What the proxy's own listeners name may come from the control plane.
        listener: (name) => (isReady() || isHandedOut(name) ? reconciler.listener(name) : undefined),
        isExpected: (name) => !isReady() || reconciler.snapshot.listeners.has(name),
        watch: (changed) => reconciler.watch(changed),
      });
  } catch (error) {
    await close(endAll);
    throw error;
  }
  return {
    log,
    replace: (config) => reconciler.replace(config),
    addressOf: (listener) => reconciler.addressOf(listener),
    get apiAddress() {
      return apiListener.address;
    },
    get snapshot() {
      return reconciler.snapshot;
    },
    get ready() {
      return isReady();
    },
    sessions: () => sessions.list(),
    metrics,
    reopenLogs: () => {
      log.reopen();
      telemetry.reopen();
    },
    drain: (timeout) => close(() => sessions.drain(timeout, reconciler.drain())),
    close: () => close(endAll),
    abandonKernel: () => kernel?.close(),
  };
}
