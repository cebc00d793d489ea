/** UDP: packets a second of 64 bytes, and the latency of echoes at half of the top rate. */
import type { UdpOptions, UdpResult } from '../load/udp.ts';
import { type Benchmark, runLoad, withProxy } from '../measurement.ts';

const FLOWS = [1, 10, 100];
const RATE = { of: 'ratio', atLeast: 0.9 } as const;

export const udp: Benchmark = {
  name: 'udp',
  kind: 'udp',
  metrics: [
    ...FLOWS.flatMap((flows) => [
      { name: `udp-${flows}-flows`, unit: 'packets/s', bar: RATE },
      { name: `udp-${flows}-flows-blast`, unit: 'packets/s' },
    ]),
    { name: 'udp-echo-p50', unit: 'us' },
    { name: 'udp-echo-p99', unit: 'us', bar: { of: 'ratio', atMost: 1.5 } },
    { name: 'udp-echo-loss', unit: '%' },
  ],
  measure: (measurement) =>
    withProxy(measurement, 'udp', async () => {
      const { lab, quick, durationMs, shared } = measurement;
      const echoRate = shared.get('udp-echo-rate');
      const options = {
        flows: FLOWS,
        trialMs: quick ? 100 : 300,
        trials: quick ? 4 : 7,
        blastRate: 1_500_000,
        echoMs: durationMs,
        ...(echoRate !== undefined && { echoRate }),
      } satisfies Partial<UdpOptions>;
      const result = await runLoad<UdpResult>(lab, 'udp', options, 60_000);
      shared.set('udp-echo-rate', result.echoRate);
      const rates = Object.entries(result.rates).flatMap(([flows, { top, blast }]) => [
        [`udp-${flows}-flows`, top] as const,
        [`udp-${flows}-flows-blast`, blast] as const,
      ]);
      return {
        ...Object.fromEntries(rates),
        'udp-echo-p50': result.p50,
        'udp-echo-p99': result.p99,
        'udp-echo-loss': result.echoLoss * 100,
      };
    }),
};
