/** Metrics as text of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), which has exemplars. */
import type { Attributes, AttributeValue } from '@opentelemetry/api';
import {
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { DurationPoint, PointExemplar } from './durations.ts';
import { prometheusName, unitWord } from './prometheus-names.ts';

/** A family: what is said of it, and its samples. Only one can have its name. */
interface Family {
  readonly head: string;
  readonly samples: string[];
}

/** `metrics` have Prometheus's names: those of `forPrometheus`. */
export function writeOpenMetrics({ resource, scopeMetrics }: ResourceMetrics): string {
  const info = '# TYPE target info\n# HELP target Target metadata\n';
  const families = new Map<string, Family>();
  for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) {
    const type = typeOf(metric);
    if (type === undefined) continue;
    const name = familyName(metric);
    const family = families.get(name) ?? { head: headOf(name, type, metric), samples: [] };
    families.set(name, family);
    family.samples.push(...samplesOf(name, metric));
  }
  const written = [...families.values()].map(({ head, samples }) => head + samples.join(''));
  return `${info}${sample('target_info', resource.attributes, 1)}${written.join('')}# EOF\n`;
}

type FamilyType = 'counter' | 'gauge' | 'histogram';

/** Undefined: it has no such type. */
function typeOf(metric: MetricData): FamilyType | undefined {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'gauge';
    case DataPointType.GAUGE:
      return 'gauge';
    case DataPointType.HISTOGRAM:
      return 'histogram';
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return undefined;
  }
}

/** Of a counter without `_total`, which its samples have. */
function familyName(metric: MetricData): string {
  const name = prometheusName(metric.descriptor.name);
  return typeOf(metric) === 'counter' ? name.replace(/_total$/u, '') : name;
}

/** The unit is told where the name has it, as it must. */
function headOf(name: string, type: FamilyType, { descriptor: { unit, description } }: MetricData): string {
  const word = unitWord(unit);
  const told = word !== undefined && name.endsWith(`_${word}`) ? `# UNIT ${name} ${word}\n` : '';
  return `# TYPE ${name} ${type}\n${told}# HELP ${name} ${escape(description)}\n`;
}

function samplesOf(name: string, metric: MetricData): string[] {
  switch (metric.dataPointType) {
    case DataPointType.HISTOGRAM:
      return metric.dataPoints.map((point) => histogramOf(name, point));
    case DataPointType.SUM:
    case DataPointType.GAUGE: {
      const full = typeOf(metric) === 'counter' ? `${name}_total` : name;
      return metric.dataPoints.map(({ attributes, value }) => sample(full, attributes, value));
    }
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return [];
  }
}

function histogramOf(name: string, point: DataPoint<Histogram>): string {
  const { attributes, value, exemplars }: DurationPoint = point;
  const { buckets, count, sum } = value;
  let reached = 0;
  const lines = buckets.counts.map((inBucket, index) => {
    reached += inBucket;
    const le = boundOf(buckets.boundaries[index] ?? Infinity);
    return sample(`${name}_bucket`, { ...attributes, le }, reached, exemplars?.[index]);
  });
  if (sum === undefined) return lines.join('');
  return `${lines.join('')}${sample(`${name}_count`, attributes, count)}${sample(`${name}_sum`, attributes, sum)}`;
}

function sample(name: string, attributes: Attributes, value: number, exemplar?: PointExemplar): string {
  return `${name}${labelsOf(attributes)} ${numberOf(value)}${exemplar ? exemplarOf(exemplar) : ''}\n`;
}

/** 63 characters of labels: there may be 128. */
function exemplarOf({ traceId, spanId, value, time }: PointExemplar): string {
  return ` # ${labelsOf({ trace_id: traceId, span_id: spanId })} ${numberOf(value)} ${time.toFixed(3)}`;
}

function labelsOf(attributes: Attributes): string {
  const pairs = Object.entries(attributes).map(([name, value]) => `${prometheusName(name)}="${escape(textOf(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Other than text is JSON. */
function textOf(value: AttributeValue | undefined): string {
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
}

/** Of label values, and of help. */
function escape(text: string): string {
  return text.replace(/\\/gu, '\\\\').replace(/\n/gu, '\\n').replace(/"/gu, '\\"');
}

/** Whole numbers have a `.0`, which makes one series of the bounds that all exposers have. */
function boundOf(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : numberOf(bound);
}

function numberOf(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
