/** The histogram of connect times, made of counts that clusters keep: OpenTelemetry has no observable histogram. */
import { type HrTime, ValueType } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { ClusterMetrics, MetricsSource } from './metrics-source.ts';

const START = toHrTime(performance.timeOrigin);

export function connectDurations(resource: Resource, source: MetricsSource): ResourceMetrics {
  const endTime = toHrTime(Date.now());
  const dataPoints = [...source.clusters()].map(({ name, connectLatency }) => ({
    startTime: START,
    endTime,
    attributes: { cluster: name },
    value: histogramOf(connectLatency),
  }));
  return {
    resource,
    scopeMetrics: [
      {
        scope: { name: 'l7mp' },
        metrics: [
          {
            descriptor: {
              name: 'l7mp.cluster.connect.duration',
              description: 'Time to connect an endpoint',
              unit: 's',
              valueType: ValueType.DOUBLE,
            },
            aggregationTemporality: AggregationTemporality.CUMULATIVE,
            dataPointType: DataPointType.HISTOGRAM,
            dataPoints,
          },
        ],
      },
    ],
  };
}

function histogramOf({ bounds, counts, sum }: ClusterMetrics['connectLatency']) {
  return {
    buckets: { boundaries: bounds.map((bound) => bound / 1000), counts: [...counts] },
    sum: sum / 1000,
    count: counts.reduce((total, count) => total + count, 0),
  };
}

function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
}
