/**
 * Metrics by OpenTelemetry's API, as a Prometheus page. Nothing is measured in the hot path: plain counters are read
 * when the page is asked for. The SDK is loaded with the first request.
 */
import type { NamedCounters } from './named-counters.ts';
import type { Totals } from './totals.ts';

/** One cluster, as metrics see it. */
export interface ClusterMetrics {
  readonly name: string;
  readonly endpoints: readonly { readonly name: string; readonly health: string }[];
  /** Failed connects and broken sessions, by reason. */
  readonly failures: ReadonlyMap<string, number>;
  /** Counts of connects that took up to each bound (ms), the last for the rest; and the sum of all, in ms. */
  readonly connectLatency: {
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sum: number;
  };
}

/** Where metrics come from. */
export interface MetricsSource {
  totals(): Totals;
  clusters(): Iterable<ClusterMetrics>;
}

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
