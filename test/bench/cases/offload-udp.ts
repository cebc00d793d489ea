/** Kernel offload: UDP sessions that the kernel relays, beside plain forwarding of IP packets between the same hosts. */
import type { SteadyOptions, SteadyResult } from '../load/udp-steady.ts';
import type { UdpOptions, UdpResult } from '../load/udp.ts';
import { type Benchmark, type Measurement, runLoad } from '../measurement.ts';
import { onWire, type Path, withPath } from '../path.ts';
import { measureDatagrams } from '../programs.ts';

const FLOWS = [1, 10, 100, 1000];
const ECHO_RATE = 10_000;
/** Of the measurement of CPU time: less than anybody's top rate. */
const STEADY_RATE = 100_000;

export const offloadUdp: Benchmark = {
  name: 'offload-udp',
  kind: 'offload-udp',
  baseline: 'forwarding',
  metrics: [
    ...FLOWS.flatMap((flows) => [
      { name: `offload-${flows}-flows`, unit: 'packets/s', bar: { of: 'ratio', atLeast: 0.95 } as const },
      { name: `offload-${flows}-flows-blast`, unit: 'packets/s' },
    ]),
    { name: 'offload-echo-p50', unit: 'us', bar: { of: 'ratio', atMost: 1.3 } },
    { name: 'offload-echo-p99', unit: 'us', bar: { of: 'ratio', atMost: 1.5 } },
    { name: 'offload-echo-loss', unit: '%' },
    { name: 'offload-cpu', unit: 'us/packet', bar: { of: 'ratio', atMost: 1.2 } },
    {
      name: 'offload-cpu-beside-user-space',
      unit: 'us/packet',
      bar: { of: 'ratio', atMost: 0.1 },
      baseline: 'l7mp in user space',
    },
    { name: 'offload-cpu-loss', unit: '%' },
    { name: 'offload-program-hit', unit: 'ns', bar: { of: 'value', atMost: 250 } },
    { name: 'offload-program-hit-ipv6', unit: 'ns', bar: { of: 'value', atMost: 250 } },
    { name: 'offload-program-miss', unit: 'ns', bar: { of: 'value', atMost: 60 } },
    { name: 'offload-program-miss-same-port', unit: 'ns' },
    { name: 'offload-program-verified', unit: 'instructions' },
  ],
  measure: async (measurement) => ({
    ...(await withPath(measurement, 'offload-udp', (path) => load(measurement, path))),
    ...(measurement.contender.name === 'l7mp' && programs()),
  }),
};

function programs(): Readonly<Record<string, number>> {
  const { hit4, hit6, miss, stranger, instructions } = measureDatagrams();
  return {
    'offload-program-hit': hit4,
    'offload-program-hit-ipv6': hit6,
    'offload-program-miss': miss,
    'offload-program-miss-same-port': stranger,
    'offload-program-verified': instructions,
  };
}

/** What is measured of our own is what the kernel relays. */
function inKernel({ lab, contender }: Pick<Measurement, 'lab' | 'contender'>): Pick<UdpOptions, 'offloadedIn'> {
  return contender.name === 'l7mp' ? { offloadedIn: lab.namespace('proxy') } : {};
}

/** What the machine works for a packet above what it would for the same on a wire. */
async function cpu(
  { lab, contender, quick }: Measurement,
  { targetAddress, targetPort }: Path,
): Promise<Readonly<Record<string, number>>> {
  const steady = (where: Partial<SteadyOptions>): Promise<SteadyResult> => {
    const options = { rate: STEADY_RATE, windows: quick ? 1 : 5, ...where };
    return runLoad<SteadyResult>(lab, 'udp-steady', options, 60_000);
  };
  const wire = await steady(onWire(lab));
  const { busy, sent, received } = await steady({ targetAddress, targetPort, ...inKernel({ lab, contender }) });
  const above = busy - wire.busy;
  const loss = (1 - received / sent) * 100;
  return { 'offload-cpu': above, 'offload-cpu-beside-user-space': above, 'offload-cpu-loss': loss };
}

async function load(measurement: Measurement, path: Path): Promise<Readonly<Record<string, number>>> {
  const { lab, quick, durationMs } = measurement;
  const options = {
    ...inKernel(measurement),
    targetAddress: path.targetAddress,
    targetPort: path.targetPort,
    flows: FLOWS,
    trialMs: quick ? 100 : 300,
    trials: quick ? 4 : 7,
    blastRate: 2_000_000,
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
    ...(await cpu(measurement, path)),
  };
}
