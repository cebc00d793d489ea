/** A page of metrics in Prometheus's text format. */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { productVersion } from '../version.ts';
import { collectMetrics, type MetricSource } from './collect.ts';

const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** `serviceName`: the program, as OpenTelemetry names services. */
export async function makePrometheusPage(source: MetricSource, serviceName: string): Promise<string> {
  const resource = resourceFromAttributes({ 'service.name': serviceName, 'service.version': productVersion() });
  return serializer.serialize(forPrometheus(await collectMetrics(source, resource)));
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
