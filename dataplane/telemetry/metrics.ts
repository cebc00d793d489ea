/**
 * Metrics by OpenTelemetry's API, as a Prometheus page. Nothing is measured in the hot path: plain counters are read
 * when the page is asked for. The SDK is loaded with the first request.
 */
import type { MetricSource } from '../../common/telemetry/collect.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

/** Makes the page: text in Prometheus's format. */
export type MetricsPage = () => Promise<string>;

/** The page is made anew for each request; requests at the same time share one. */
export function createMetrics(
  source: MetricsSource,
  named: NamedCounters,
  others?: MetricSource['others'],
): MetricsPage {
  let underWay: Promise<string> | undefined;
  return () => {
    underWay ??= makePage(source, named, others).finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function makePage(...parts: Parameters<typeof createMetrics>): Promise<string> {
  const [source, named, others] = parts;
  const [{ makePrometheusPage }, { metricSource }] = await Promise.all([
    import('../../common/telemetry/prometheus-page.ts'),
    import('./metric-source.ts'),
  ]);
  return makePrometheusPage(metricSource(source, named, others), 'l7mp');
}
