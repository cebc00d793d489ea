/** Kernel offload: UDP sessions that the kernel relays, beside plain forwarding of IP packets between the same hosts. */
import type { UdpOptions, UdpResult } from '../load/udp.ts';
import { type Lab, PROXY, SERVER } from '../lab.ts';
import { type Benchmark, type Measurement, runLoad, withProxy } from '../measurement.ts';
import { PROXY_PORT, SERVER_PORT } from '../route.ts';

const FLOWS = [1, 10, 100, 1000];
/** Sessions are looked at once a second. */
const HAND_OVER_MS = 3500;
const ECHO_RATE = 10_000;

export const offload: Benchmark = {
  name: 'offload',
  kind: 'offload',
  baseline: 'forwarding',
  metrics: [
    ...FLOWS.flatMap((flows) => [
      { name: `offload-${flows}-flows`, unit: 'packets/s', bar: { of: 'ratio', atLeast: 0.95 } as const },
      { name: `offload-${flows}-flows-blast`, unit: 'packets/s' },
    ]),
    { name: 'offload-echo-p50', unit: 'us', bar: { of: 'ratio', atMost: 1.3 } },
    { name: 'offload-echo-p99', unit: 'us', bar: { of: 'ratio', atMost: 1.5 } },
    { name: 'offload-echo-loss', unit: '%' },
  ],
  measure: (measurement) => {
    const { lab, contender } = measurement;
    const throughProxy = { targetAddress: PROXY, targetPort: PROXY_PORT };
    switch (contender.name) {
      case 'forwarding':
        return load(measurement, { targetAddress: SERVER, targetPort: SERVER_PORT });
      case 'dnat':
        return withRules(lab, contender.command('offload', lab.directory) ?? [], () => load(measurement, throughProxy));
      default:
        return withProxy(measurement, 'offload', () => load(measurement, throughProxy));
    }
  },
};

/** Runs `use` while nftables has the table `bench` that a command makes. */
async function withRules<T>(lab: Lab, command: readonly string[], use: () => Promise<T>): Promise<T> {
  await lab.run('proxy', command);
  try {
    return await use();
  } finally {
    await lab.run('proxy', ['nft', 'delete', 'table', 'ip', 'bench']);
  }
}

async function load(
  { lab, quick, durationMs }: Measurement,
  target: Pick<UdpOptions, 'targetAddress' | 'targetPort'>,
): Promise<Readonly<Record<string, number>>> {
  const options = {
    ...target,
    flows: FLOWS,
    trialMs: quick ? 100 : 300,
    trials: quick ? 4 : 7,
    blastRate: 900_000,
    warmUpMs: HAND_OVER_MS,
    echoRate: ECHO_RATE,
    echoMs: durationMs,
  } satisfies Partial<UdpOptions>;
  const result = await runLoad<UdpResult>(lab, 'udp', options, 120_000);
  const rates = Object.entries(result.rates).flatMap(([flows, { top, blast }]) => [
    [`offload-${flows}-flows`, top] as const,
    [`offload-${flows}-flows-blast`, blast] as const,
  ]);
  return {
    ...Object.fromEntries(rates),
    'offload-echo-p50': result.p50,
    'offload-echo-p99': result.p99,
    'offload-echo-loss': result.echoLoss * 100,
  };
}
