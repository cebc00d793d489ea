/**
 * Metrics by OpenTelemetry's API, as a Prometheus page. Nothing is measured in the hot path: instruments are
 * observable, and read plain counters when the page is asked for. The SDK is loaded with the first request.
 */
import type { Attributes, BatchObservableResult, Meter as OtelMeter, Observable } from '@opentelemetry/api';
import type { Meter } from '../core/protocol.ts';
import type { Sums, Totals } from './totals.ts';

/** One cluster, as metrics see it. */
export interface ClusterMetrics {
  readonly name: string;
  readonly endpoints: readonly { readonly name: string; readonly health: string }[];
  readonly failures: ReadonlyMap<string, number>;
  /** Counts of connects that took up to each bound (ms), the last for the rest; and the sum of all, in ms. */
  readonly connectLatency: {
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sum: number;
  };
}

/** Where metrics come from. */
export interface MetricsSource {
  totals(): Totals;
  clusters(): Iterable<ClusterMetrics>;
}

/** Named counters of Metric clusters. */
export class NamedCounters implements Meter {
  readonly all = new Map<
    string,
    { name: string; labels: Readonly<Record<string, string>>; bytes: number; packets: number }
  >();

  counter(name: string, labels: Readonly<Record<string, string>>): { bytes: number; packets: number } {
    const key = JSON.stringify([name, Object.entries(labels).sort()]);
    let counter = this.all.get(key);
    if (counter === undefined) {
      counter = { name, labels, bytes: 0, packets: 0 };
      this.all.set(key, counter);
    }
    return counter;
  }
}

/** Makes the page: text in Prometheus's format. */
export type MetricsPage = () => Promise<string>;

export function createMetrics(source: MetricsSource, named: NamedCounters): MetricsPage {
  let page: Promise<MetricsPage> | undefined;
  return async () => {
    page ??= load(source, named);
    return (await page)();
  };
}

async function load(source: MetricsSource, named: NamedCounters): Promise<MetricsPage> {
  const [{ MeterProvider, MetricReader }, { PrometheusSerializer }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-prometheus'),
    import('@opentelemetry/resources'),
  ]);
  class PullReader extends MetricReader {
    protected override onForceFlush(): Promise<void> {
      return Promise.resolve(); // nothing is kept back: each request collects
    }
    protected override onShutdown(): Promise<void> {
      return Promise.resolve(); // it holds no resources
    }
  }
  const reader = new PullReader();
  const resource = resourceFromAttributes({ 'service.name': 'l7mp' });
  const provider = new MeterProvider({ readers: [reader], resource });
  const meter = provider.getMeter('l7mp');
  observeSessions(meter, source);
  observeClusters(meter, source);
  observeNamed(meter, named);
  observeProcess(meter);
  const serializer = new PrometheusSerializer();
  return async () => {
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    return serializer.serialize(resourceMetrics) + connectLatency(source);
  };
}

function observeSessions(meter: OtelMeter, source: MetricsSource): void {
  const active = meter.createObservableGauge('l7mp.sessions.active', { description: 'Open sessions by listener' });
  const opened = meter.createObservableCounter('l7mp.sessions.opened', { description: 'Sessions taken by listener' });
  const closed = meter.createObservableCounter('l7mp.sessions.closed', {
    description: 'Ended sessions by listener and by reason: OK, or a code of the error catalogue',
  });
  const refused = meter.createObservableCounter('l7mp.sessions.refused', {
    description: 'Sessions that limits kept out, by listener and reason',
  });
  const retries = meter.createObservableCounter('l7mp.retries', { description: 'Stages tried again, by listener' });
  const [listenerTraffic, clusterTraffic] = [traffic(meter, 'listener'), traffic(meter, 'cluster')];
  const clusterActive = meter.createObservableGauge('l7mp.cluster.sessions.active', {
    description: 'Open sessions by destination cluster',
  });
  const all = [active, opened, closed, refused, retries, clusterActive, ...listenerTraffic.all, ...clusterTraffic.all];
  meter.addBatchObservableCallback((result) => {
    const totals = source.totals();
    for (const [listener, sums] of totals.listeners) {
      result.observe(active, sums.active, { listener });
      result.observe(opened, sums.opened, { listener });
      result.observe(retries, sums.retries, { listener });
      for (const [reason, count] of sums.closed) result.observe(closed, count, { listener, reason });
      listenerTraffic.observe(result, sums, { listener });
    }
    for (const [cluster, sums] of totals.clusters) {
      result.observe(clusterActive, sums.active, { cluster });
      clusterTraffic.observe(result, sums, { cluster });
    }
    for (const [listener, codes] of totals.refused) {
      for (const [reason, count] of codes) result.observe(refused, count, { listener, reason });
    }
  }, all);
}

interface Traffic {
  readonly all: readonly Observable[];
  observe(result: BatchObservableResult, sums: Sums, labels: Attributes): void;
}

function traffic(meter: OtelMeter, subject: string): Traffic {
  const bytes = meter.createObservableCounter(`l7mp.${subject}.bytes`, {
    description: `Payload by ${subject} and direction: ingress is from the client`,
    unit: 'By',
  });
  const packets = meter.createObservableCounter(`l7mp.${subject}.packets`, {
    description: `Datagrams, or chunks of byte streams, by ${subject} and direction`,
  });
  const dropped = meter.createObservableCounter(`l7mp.${subject}.dropped`, {
    description: `Datagrams dropped for want of room or rate, by ${subject} and direction`,
  });
  return {
    all: [bytes, packets, dropped],
    observe(result, sums, labels) {
      for (const direction of ['ingress', 'egress'] as const) {
        const counters = sums[direction];
        const attributes = { ...labels, direction, path: 'user' };
        result.observe(bytes, counters.bytes, attributes);
        result.observe(packets, counters.packets, attributes);
        result.observe(dropped, counters.dropped, attributes);
      }
    },
  };
}

function observeClusters(meter: OtelMeter, source: MetricsSource): void {
  const endpoints = meter.createObservableGauge('l7mp.cluster.endpoints', {
    description: 'Endpoints by cluster and health: healthy, unhealthy or ejected',
  });
  const failures = meter.createObservableCounter('l7mp.cluster.failures', {
    description: 'Failed connects and broken sessions by cluster and reason',
  });
  meter.addBatchObservableCallback(
    (result) => {
      for (const cluster of source.clusters()) {
        for (const health of ['healthy', 'unhealthy', 'ejected']) {
          const count = cluster.endpoints.filter((endpoint) => endpoint.health === health).length;
          result.observe(endpoints, count, { cluster: cluster.name, health });
        }
        for (const [reason, count] of cluster.failures)
          result.observe(failures, count, { cluster: cluster.name, reason });
      }
    },
    [endpoints, failures],
  );
}

function observeNamed(meter: OtelMeter, named: NamedCounters): void {
  const bytes = meter.createObservableCounter('l7mp.metric.bytes', {
    description: 'Bytes through Metric clusters',
    unit: 'By',
  });
  const packets = meter.createObservableCounter('l7mp.metric.packets', {
    description: 'Chunks through Metric clusters',
  });
  meter.addBatchObservableCallback(
    (result) => {
      for (const counter of named.all.values()) {
        const attributes = { ...counter.labels, name: counter.name };
        result.observe(bytes, counter.bytes, attributes);
        result.observe(packets, counter.packets, attributes);
      }
    },
    [bytes, packets],
  );
}

function observeProcess(meter: OtelMeter): void {
  const memory = meter.createObservableGauge('process.memory.usage', { description: 'Resident memory', unit: 'By' });
  memory.addCallback((result) => result.observe(process.memoryUsage.rss()));
  const cpu = meter.createObservableCounter('process.cpu.time', { description: 'CPU time', unit: 's' });
  cpu.addCallback((result) => {
    const { user, system } = process.cpuUsage();
    result.observe(user / 1e6, { mode: 'user' });
    result.observe(system / 1e6, { mode: 'system' });
  });
}

/** OpenTelemetry has no observable histogram: the counts are printed as one here. */
function connectLatency(source: MetricsSource): string {
  const name = 'l7mp_cluster_connect_duration_milliseconds';
  const lines = [`# HELP ${name} Time to connect an endpoint`, `# TYPE ${name} histogram`];
  for (const {
    name: cluster,
    connectLatency: { bounds, counts, sum },
  } of source.clusters()) {
    const label = `cluster="${cluster.replace(/[\\"\n]/gu, (special) => (special === '\n' ? '\\n' : `\\${special}`))}"`;
    let total = 0;
    for (const [index, count] of counts.entries()) {
      total += count;
      lines.push(`${name}_bucket{${label},le="${bounds[index] ?? '+Inf'}"} ${total}`);
    }
    lines.push(`${name}_sum{${label}} ${sum}`, `${name}_count{${label}} ${total}`);
  }
  return `${lines.join('\n')}\n`;
}
