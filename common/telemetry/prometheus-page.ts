/** A page of metrics for Prometheus. */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { productVersion } from '../version.ts';
import { collectMetrics, type MetricSource } from './collect.ts';
import type { MetricsFormat } from './metrics-format.ts';
import { writeOpenMetrics } from './openmetrics.ts';
import { forPrometheus } from './prometheus-names.ts';

const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** `serviceName`: the program, as OpenTelemetry names services. */
export async function makePrometheusPage(
  source: MetricSource,
  serviceName: string,
  format: MetricsFormat,
): Promise<string> {
  const resource = resourceFromAttributes({ 'service.name': serviceName, 'service.version': productVersion() });
  const metrics = forPrometheus(await collectMetrics(source, resource));
  return format === 'openmetrics' ? writeOpenMetrics(metrics) : serializer.serialize(metrics);
}
