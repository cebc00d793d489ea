/** The proxy's metrics: for the page, and for OTLP. */
import type { MetricSource } from '../../common/telemetry/collect.ts';
import { durationMetric } from '../../common/telemetry/durations.ts';
import { observeAll, toLabels } from './instruments.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

export function metricSource(
  source: MetricsSource,
  named: NamedCounters,
  others: MetricSource['others'],
): MetricSource {
  return {
    observe: (meter) => observeAll(meter, source, named),
    histograms: () => [
      durationMetric({
        name: 'l7mp.cluster.connect.duration',
        description: 'Time to connect an endpoint',
        durations: [...source.clusters()].map(({ name, connectLatency }) => ({
          attributes: { cluster: name },
          counted: connectLatency,
        })),
      }),
      durationMetric({
        name: 'l7mp.session.duration',
        description: 'How long sessions lasted that have ended, by listener and its metric_label',
        durations: [...source.sessionDurations()].map(({ attributes, counted }) => ({
          attributes: toLabels(attributes),
          counted,
        })),
      }),
      durationMetric({
        name: 'http.server.request.duration',
        description: 'Duration of HTTP server requests, by listener',
        durations: [...source.requestDurations()],
      }),
      durationMetric({
        name: 'http.client.request.duration',
        description: 'Duration of HTTP client requests, by cluster: each attempt is one',
        durations: [...source.clusters()].flatMap(({ name, requests }) => [...requests.all({ cluster: name })]),
      }),
    ],
    others,
  };
}
