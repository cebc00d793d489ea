/** Histograms as metrics, made of counts that others keep: OpenTelemetry has no observable histogram. */
import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';

/** Since when everything is counted. */
export const PROCESS_START = toHrTime(performance.timeOrigin);

/** Counts with the labels that tell them apart. */
export interface Durations {
  readonly attributes: Attributes;
  /** As a `Histogram` of common/histogram.ts counts. */
  readonly counted: { readonly bounds: readonly number[]; readonly counts: readonly number[]; readonly sum: number };
}

/** A histogram in seconds. `name` is OpenTelemetry's, as in `l7mp.cluster.connect.duration`. */
export function durationMetric({
  name,
  description,
  durations,
}: {
  name: string;
  description: string;
  durations: readonly Durations[];
}): MetricData {
  const endTime = toHrTime(Date.now());
  const dataPoints = durations.map(({ attributes, counted: { bounds, counts, sum } }) => ({
    startTime: PROCESS_START,
    endTime,
    attributes,
    value: {
      buckets: { boundaries: bounds.map((bound) => bound / 1000), counts: [...counts] },
      sum: sum / 1000,
      count: counts.reduce((total, count) => total + count, 0),
    },
  }));
  const descriptor = { name, description, unit: 's', valueType: ValueType.DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
}

function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
}
