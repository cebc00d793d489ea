/** Instruments of OpenTelemetry's API, collected once by its SDK: for the page of metrics, and for OTLP. */
import type { Meter } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  MeterProvider,
  MetricReader,
  type ResourceMetrics,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics';
import { PROCESS_START } from './durations.ts';

/** Label sets of one instrument: the names that totals.ts keeps, times directions or reasons. */
export const MAX_LABEL_SETS = 100_000;

/** What metrics are made of. */
export interface MetricSource {
  /** Makes the instruments. */
  readonly observe: (meter: Meter) => void;
  /** Metrics that the API has no observable instrument for. */
  readonly histograms: () => readonly MetricData[];
  /** Metrics that others have collected. */
  readonly others?: (() => Promise<readonly ScopeMetrics[]>) | undefined;
}

/** Collects when it is asked. */
export class PullReader extends MetricReader {
  constructor() {
    super({ cardinalitySelector: () => MAX_LABEL_SETS });
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve(); // nothing is kept back: it collects when it is asked
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve(); // it holds no resources
  }
}

/** A provider for each time: one that lives on would report deleted listeners for ever. */
export async function collectMetrics(
  { observe, histograms, others }: MetricSource,
  resource: Resource,
): Promise<ResourceMetrics> {
  const reader = new PullReader();
  const provider = new MeterProvider({ readers: [reader], resource });
  try {
    observe(provider.getMeter('l7mp'));
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    const scopes = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(sinceStart),
    }));
    const more = [...histograms()].filter(({ dataPoints }) => dataPoints.length > 0);
    if (more.length > 0) scopes.push({ scope: { name: 'l7mp' }, metrics: more });
    return { resource, scopeMetrics: [...scopes, ...((await others?.()) ?? [])] };
  } finally {
    await provider.shutdown();
  }
}

/** Sums have grown since the process started, not since this provider was made. */
function sinceStart(metric: MetricData): MetricData {
  if (metric.dataPointType !== DataPointType.SUM) return metric;
  if (metric.aggregationTemporality !== AggregationTemporality.CUMULATIVE) return metric;
  return { ...metric, dataPoints: metric.dataPoints.map((point) => ({ ...point, startTime: PROCESS_START })) };
}
