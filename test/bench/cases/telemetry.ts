/** What it costs to tell: traces, metrics and logs exported at their defaults, beside the same proxy that exports nothing. */
import { join } from 'node:path';
import type { TelemetryKind } from '../contenders.ts';
import type { UdpResult } from '../load/udp.ts';
import { type Measurement, runLoad, type Sliced, type Values, withProxy } from '../measurement.ts';
import { COLLECTOR_PORT } from '../route.ts';
import { WARM_UP_MS, withServer as withNginx, wrk } from './http.ts';
import { iperf, withServer as withIperf } from './tcp.ts';

const common = {
  repeats: 5,
  slices: 12,
  baseline: 'l7mp without telemetry',
  without: ['bare', 'envoy', 'haproxy', 'nginx', 'socat'],
};

function benchmark(kind: TelemetryKind, metric: { name: string; unit: string }, open: Sliced['open']): Sliced {
  return {
    ...common,
    name: kind,
    kind,
    metrics: [{ ...metric, bar: { of: 'ratio', atLeast: 0.95 } }],
    open: (measurement, use) =>
      withCollector(measurement, () => withProxy(measurement, kind, () => open(measurement, use))),
  };
}

/** For both, whether they tell it anything or not. */
async function withCollector<T>({ lab }: Measurement, use: () => Promise<T>): Promise<T> {
  const file = join(import.meta.dirname, '../baselines/collector.js');
  const collector = await lab.serve('server', [process.execPath, file, String(COLLECTOR_PORT)], 'tcp', COLLECTOR_PORT);
  try {
    return await use();
  } finally {
    await collector.stop();
  }
}

export const telemetryHttp = benchmark(
  'telemetry-http',
  { name: 'telemetry-http1-requests', unit: 'requests/s' },
  ({ lab, durationMs }, use) =>
    withNginx(lab, false, async () => {
      await wrk(lab, WARM_UP_MS);
      await use(async () => ({ 'telemetry-http1-requests': await wrk(lab, durationMs) }));
    }),
);

export const telemetryTcp = benchmark(
  'telemetry-tcp',
  { name: 'telemetry-tcp-8-streams', unit: 'Gbit/s' },
  ({ lab, durationMs }, use) =>
    withIperf(lab, async () => {
      const slice = async (): Promise<Values> => ({ 'telemetry-tcp-8-streams': await iperf(lab, 8, durationMs) });
      await slice();
      await use(slice);
    }),
);

export const telemetryUdp = benchmark(
  'telemetry-udp',
  { name: 'telemetry-udp-100-flows', unit: 'packets/s' },
  async ({ lab, quick }, use) => {
    const options = {
      flows: [100],
      trialMs: quick ? 100 : 300,
      trials: quick ? 4 : 7,
      blastRate: 1_500_000,
      echoMs: 500,
    };
    const slice = async (): Promise<Values> => {
      const { rates } = await runLoad<UdpResult>(lab, 'udp', options, 60_000);
      return { 'telemetry-udp-100-flows': rates[100]?.top ?? NaN };
    };
    await slice();
    await use(slice);
  },
);
