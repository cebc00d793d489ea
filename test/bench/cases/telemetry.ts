/** What it costs to tell: traces, metrics and logs exported at their defaults, beside the same proxy that exports nothing. */
import { join } from 'node:path';
import type { UdpResult } from '../load/udp.ts';
import { type Benchmark, type Measurement, runLoad, withProxy } from '../measurement.ts';
import { COLLECTOR_PORT, type Kind } from '../route.ts';
import { withServer, wrk } from './http.ts';
import { tcp } from './tcp.ts';

const BAR = { of: 'ratio', atLeast: 0.95 } as const;
/** Figures are close: more of them than elsewhere. */
const common = {
  repeats: 10,
  baseline: 'l7mp without telemetry',
  without: ['bare', 'envoy', 'haproxy', 'nginx', 'socat'],
};

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

export const telemetryHttp: Benchmark = {
  ...common,
  name: 'telemetry-http',
  kind: 'telemetry-http',
  metrics: [{ name: 'telemetry-http1-requests', unit: 'requests/s', bar: BAR }],
  measure: (measurement) =>
    withCollector(measurement, () =>
      withProxy(measurement, 'telemetry-http', () =>
        withServer(measurement.lab, false, async () => ({
          'telemetry-http1-requests': await wrk(measurement.lab, measurement.durationMs, []),
        })),
      ),
    ),
};

export const telemetryTcp: Benchmark = {
  ...common,
  name: 'telemetry-tcp',
  kind: 'telemetry-tcp',
  metrics: [{ name: 'telemetry-tcp-8-streams', unit: 'Gbit/s', bar: BAR }],
  measure: (measurement) =>
    withCollector(measurement, async () => {
      const values = await tcp.measure({ ...measurement, contender: asTcp(measurement) });
      return { 'telemetry-tcp-8-streams': values['tcp-8-streams'] ?? NaN };
    }),
};

/** The contender as it is while it tells, for who asks for TCP. */
function asTcp({ contender }: Measurement): Measurement['contender'] {
  const kind: Kind = 'telemetry-tcp';
  return { name: contender.name, command: (_kind, directory) => contender.command(kind, directory) };
}

export const telemetryUdp: Benchmark = {
  ...common,
  name: 'telemetry-udp',
  kind: 'telemetry-udp',
  metrics: [{ name: 'telemetry-udp-100-flows', unit: 'packets/s', bar: BAR }],
  measure: (measurement) =>
    withCollector(measurement, () =>
      withProxy(measurement, 'telemetry-udp', async () => {
        const { lab, quick } = measurement;
        const options = {
          flows: [100],
          trialMs: quick ? 100 : 300,
          trials: quick ? 4 : 7,
          blastRate: 1_500_000,
          echoMs: 500,
        };
        const { rates } = await runLoad<UdpResult>(lab, 'udp', options, 60_000);
        return { 'telemetry-udp-100-flows': rates[100]?.top ?? NaN };
      }),
    ),
};
