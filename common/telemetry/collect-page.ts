/** A page of metrics in Prometheus's text format: instruments of OpenTelemetry's API, collected once by its SDK. */
import type { Meter } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  type MetricData,
  MeterProvider,
  type MetricProducer,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { productVersion } from '../version.ts';

/** Label sets of one instrument: the names that totals.ts keeps, times directions or reasons. */
const MAX_LABEL_SETS = 100_000;

const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** What a page is made of. */
export interface PageSource {
  /** The program, as OpenTelemetry names services. */
  readonly serviceName: string;
  /** Makes the instruments. */
  readonly observe: (meter: Meter) => void;
  /** Metrics that the API has no observable instrument for. */
  readonly histograms: (resource: Resource) => ResourceMetrics;
}

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
export async function collectPage({ serviceName, observe, histograms }: PageSource): Promise<string> {
  const resource = resourceFromAttributes({ 'service.name': serviceName, 'service.version': productVersion() });
  const reader = new PullReader({
    collect: () => Promise.resolve({ resourceMetrics: histograms(resource), errors: [] }),
  });
  const provider = new MeterProvider({ readers: [reader], resource });
  try {
    observe(provider.getMeter('l7mp'));
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    return serializer.serialize(forPrometheus(resourceMetrics));
  } finally {
    await provider.shutdown();
  }
}

/**
 * Prometheus wants the unit in the name (OpenTelemetry's Prometheus compatibility), which the serializer leaves out, and keeps
 * `_count` to histograms, where OpenTelemetry's conventions count what there is of something.
 */
const UNIT_WORDS: Readonly<Record<string, string>> = { By: 'bytes', s: 'seconds' };

function forPrometheus({ resource: of, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  const renamed = (metric: MetricData): MetricData => {
    const { name, unit } = metric.descriptor;
    const word = UNIT_WORDS[unit];
    const plural = name.replace(/\.count$/u, 's');
    const full = word === undefined || name.endsWith(word) ? plural : `${plural}.${word}`;
    return full === name ? metric : { ...metric, descriptor: { ...metric.descriptor, name: full } };
  };
  return { resource: of, scopeMetrics: scopeMetrics.map((each) => ({ ...each, metrics: each.metrics.map(renamed) })) };
}
