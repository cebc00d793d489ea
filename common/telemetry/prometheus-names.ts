/** Names and units of metrics as Prometheus wants them, of OpenTelemetry's (its "Prometheus and OpenMetrics Compatibility"). */
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';

const UNIT_WORDS: Readonly<Record<string, string>> = { By: 'bytes', s: 'seconds' };

/** The word for a unit; undefined for those that names leave out. */
export const unitWord = (unit: string): string | undefined => UNIT_WORDS[unit];

/**
 * Prometheus wants the unit in the name, which its serializer leaves out, and keeps `_count` to histograms, where OpenTelemetry's
 * conventions count what there is of something.
 */
export function forPrometheus({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  const renamed = (metric: MetricData): MetricData => {
    const { name, unit } = metric.descriptor;
    const word = unitWord(unit);
    const plural = name.replace(/\.count$/u, 's');
    const full = word === undefined || name.endsWith(word) ? plural : `${plural}.${word}`;
    return full === name ? metric : { ...metric, descriptor: { ...metric.descriptor, name: full } };
  };
  return { resource, scopeMetrics: scopeMetrics.map((each) => ({ ...each, metrics: each.metrics.map(renamed) })) };
}

/** A name of a metric or label, with underscores for what it can't have. */
export const prometheusName = (name: string): string => name.replace(/[^a-zA-Z0-9_]/gu, '_').replace(/_+/gu, '_');
