/**
 * Metrics by OpenTelemetry's API, as a Prometheus page. Nothing is measured in the hot path: plain counters are read
 * when the page is asked for.
 */
import type { MetricSource } from '../../common/telemetry/collect.ts';
import type { MetricsPage } from '../../common/telemetry/metrics-format.ts';
import { createMetricsPage } from '../../common/telemetry/metrics-page.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

export function createMetrics(
  source: MetricsSource,
  named: NamedCounters,
  others?: MetricSource['others'],
): MetricsPage {
  return createMetricsPage(async () => {
    const { metricSource } = await import('./metric-source.ts'); // with the SDK
    return metricSource(source, named, others);
  }, 'l7mp');
}
