/** Collects all metrics once, by OpenTelemetry's SDK, and prints them in Prometheus's text format. */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  type MetricData,
  MeterProvider,
  type MetricProducer,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { productVersion } from '../core/version.ts';
import { connectDurations } from './connect-durations.ts';
import { observeAll } from './instruments.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

/** Label sets of one instrument: the names that totals.ts keeps, times directions or reasons. */
const MAX_LABEL_SETS = 100_000;

const resource = resourceFromAttributes({ 'service.name': 'l7mp', 'service.version': productVersion() });
const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

class PullReader extends MetricReader {
  constructor(producer: MetricProducer) {
    super({ metricProducers: [producer], cardinalitySelector: () => MAX_LABEL_SETS });
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve(); // nothing is kept back: it collects when it is asked
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve(); // it holds no resources
  }
}

/** A provider for each page: one that lives on would report deleted listeners for ever. */
export async function makePage(source: MetricsSource, named: NamedCounters): Promise<string> {
  const durations: MetricProducer = {
    collect: () => Promise.resolve({ resourceMetrics: connectDurations(resource, source), errors: [] }),
  };
  const reader = new PullReader(durations);
  const provider = new MeterProvider({ readers: [reader], resource });
  try {
    observeAll(provider.getMeter('l7mp'), source, named);
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    return serializer.serialize(withUnits(resourceMetrics));
  } finally {
    await provider.shutdown();
  }
}

/** Prometheus wants the unit in the name (OpenTelemetry's Prometheus compatibility), which the serializer leaves out. */
const UNIT_WORDS: Readonly<Record<string, string>> = { By: 'bytes', s: 'seconds' };

function withUnits({ resource: of, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  const renamed = (metric: MetricData): MetricData => {
    const { name, unit } = metric.descriptor;
    const word = UNIT_WORDS[unit];
    if (word === undefined || name.endsWith(word)) return metric;
    return { ...metric, descriptor: { ...metric.descriptor, name: `${name}.${word}` } };
  };
  return { resource: of, scopeMetrics: scopeMetrics.map((each) => ({ ...each, metrics: each.metrics.map(renamed) })) };
}
