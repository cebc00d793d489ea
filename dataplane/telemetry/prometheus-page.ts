/** The proxy's page of metrics. */
import { collectPage } from '../../common/telemetry/collect-page.ts';
import { durationMetric } from '../../common/telemetry/durations.ts';
import { observeAll } from './instruments.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';

export function makePage(source: MetricsSource, named: NamedCounters): Promise<string> {
  return collectPage({
    serviceName: 'l7mp',
    observe: (meter) => observeAll(meter, source, named),
    histograms: (resource) =>
      durationMetric(resource, {
        name: 'l7mp.cluster.connect.duration',
        description: 'Time to connect an endpoint',
        durations: [...source.clusters()].map(({ name, connectLatency }) => ({
          attributes: { cluster: name },
          counted: connectLatency,
        })),
      }),
  });
}
