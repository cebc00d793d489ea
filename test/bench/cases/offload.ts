/** UDP relayed by the kernel: packets a second of 64 bytes, and the latency of echoes, beside plain IP forwarding. */
import { SERVER } from '../lab.ts';
import type { UdpOptions, UdpResult } from '../load/udp.ts';
import { type Benchmark, type Measurement, runLoad, withProxy } from '../measurement.ts';
import { SERVER_PORT } from '../route.ts';

const FLOWS = [1, 10, 100, 1000];
const RATE = { of: 'ratio', atLeast: 0.95 } as const;
/** Sessions go into the kernel when they are a second old, at the next look at them. */
const WARM_UP_MS = 2500;
const ECHO_RATE = 10_000;

export const offload: Benchmark = {
  name: 'offload',
  kind: 'offload',
  baseline: 'forwarding',
  without: ['haproxy', 'socat'],
  metrics: [
    ...FLOWS.map((flows) => ({ name: `offload-udp-${flows}-flows`, unit: 'packets/s', bar: RATE })),
    { name: 'offload-udp-echo-p50', unit: 'us', bar: { of: 'ratio', atMost: 1.3 } },
    { name: 'offload-udp-echo-p99', unit: 'us', bar: { of: 'ratio', atMost: 1.5 } },
    { name: 'offload-udp-echo-loss', unit: '%' },
  ],
  measure: (measurement) =>
    withRelay(measurement, async (where) => {
      const { lab, quick, durationMs } = measurement;
      const options = {
        flows: FLOWS,
        trialMs: quick ? 100 : 300,
        trials: quick ? 4 : 7,
        blastRate: 1_000_000,
        echoRate: ECHO_RATE,
        echoMs: durationMs,
        warmUpMs: WARM_UP_MS,
        ...where,
      } satisfies Partial<UdpOptions>;
      const { rates, p50, p99, echoLoss } = await runLoad<UdpResult>(lab, 'udp', options, 120_000);
      return {
        ...Object.fromEntries(Object.entries(rates).map(([flows, { top }]) => [`offload-udp-${flows}-flows`, top])),
        'offload-udp-echo-p50': p50,
        'offload-udp-echo-p99': p99,
        'offload-udp-echo-loss': echoLoss * 100,
      };
    }),
};

/** Runs `use` while the contender relays; it is given what is special about where to send to. */
async function withRelay<T>(measurement: Measurement, use: (where: Partial<UdpOptions>) => Promise<T>): Promise<T> {
  const { lab, contender } = measurement;
  switch (contender.name) {
    case 'forwarding':
      return use({ targetAddress: SERVER, targetPort: SERVER_PORT });
    case 'dnat':
      await lab.run('proxy', contender.command('offload', lab.directory) ?? []);
      try {
        return await use({});
      } finally {
        await lab.run('proxy', ['nft', 'delete', 'table', 'ip', 'bench']);
      }
    default:
      return withProxy(measurement, 'offload', () => use({}));
  }
}
