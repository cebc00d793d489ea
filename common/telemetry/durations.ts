/** Histograms as metrics, made of counts that others keep: OpenTelemetry has no observable histogram. */
import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram as HistogramValue,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import type { Exemplar } from '../exemplars.ts';
import type { Histogram } from '../histogram.ts';

/** Since when everything is counted. */
export const PROCESS_START = toHrTime(performance.timeOrigin);

/** Counts with the labels that tell them apart. */
export interface Durations {
  readonly attributes: Attributes;
  readonly counted: Pick<Histogram, 'bounds' | 'sum'> &
    Partial<Pick<Histogram, 'exemplars'>> & { readonly counts: readonly number[] };
}

/** In the unit of its metric, and in seconds since the epoch. */
export interface PointExemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  readonly time: number;
}

/** A point with what the SDK has no place for. */
export interface DurationPoint extends DataPoint<HistogramValue> {
  /** By bucket. */
  readonly exemplars?: readonly (PointExemplar | undefined)[] | undefined;
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
  const dataPoints = durations.map(({ attributes, counted: { bounds, counts, sum, exemplars } }): DurationPoint => ({
    startTime: PROCESS_START,
    endTime,
    attributes,
    value: {
      buckets: { boundaries: bounds.map((bound) => bound / 1000), counts: [...counts] },
      sum: sum / 1000,
      count: counts.reduce((total, count) => total + count, 0),
    },
    exemplars: exemplars && counts.map((_, bucket) => inSeconds(exemplars.of(bucket))),
  }));
  const descriptor = { name, description, unit: 's', valueType: ValueType.DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
}

function inSeconds(exemplar: Exemplar | undefined): PointExemplar | undefined {
  if (exemplar === undefined) return undefined;
  const { traceId, spanId, elapsed, time } = exemplar;
  return { traceId, spanId, value: elapsed / 1000, time: time / 1000 };
}

function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
}
