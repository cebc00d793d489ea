/**
 * Metrics by OpenTelemetry's API, as a Prometheus page. Nothing is measured in the hot path: plain counters are read
 * when the page is asked for. The SDK is loaded with the first request.
 */
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

/** Makes the page: text in Prometheus's format. */
export type MetricsPage = () => Promise<string>;

/** The page is made anew for each request; requests at the same time share one. */
export function createMetrics(source: MetricsSource, named: NamedCounters): MetricsPage {
  let underWay: Promise<string> | undefined;
  return () => {
    underWay ??= import('./prometheus-page.ts')
      .then(({ makePage }) => makePage(source, named))
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };
}
