/** Kernel offload: TCP sessions that the kernel relays, beside plain forwarding of IP packets between the same hosts. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE } from '../contenders.ts';
import { countKernelSessions, untilInKernel } from '../kernel-sessions.ts';
import type { RelayOptions, RelayResult } from '../load/splice-relay.ts';
import type { GapsResult } from '../load/tcp-gaps.ts';
import type { SteadyOptions, SteadyResult } from '../load/tcp-steady.ts';
import { SERVER } from '../lab.ts';
import { type Benchmark, type Measurement, runLoad } from '../measurement.ts';
import { monotonicMs } from '../monotonic.ts';
import { onWire, type Path, withPath } from '../path.ts';
import { PROXY_PORT, SERVER_PORT } from '../route.ts';
import { measureEgress, measureStreams } from '../programs.ts';
import { median } from '../report.ts';
import { withServer } from './tcp.ts';
import { standstills } from '../standstill.ts';

const STREAMS = [1, 8];
/** Of the measurement of CPU time: less than anybody's top rate. */
const STEADY_RATE = 4e9;
const STEADY_SLICES = 6;
/** How long streams run before they are measured; those of the proxy until the kernel has all. */
const WARM_UP_MS = 1000;
const IN_USER_SPACE = 'l7mp in user space';

export const offloadTcp: Benchmark = {
  name: 'offload-tcp',
  kind: 'offload-tcp',
  baseline: 'forwarding',
  metrics: [
    ...STREAMS.map((streams) => ({
      name: `offload-tcp-${streams}-streams`,
      unit: 'Gbit/s',
      bar: { of: 'ratio', atLeast: 0.97 } as const,
    })),
    { name: 'offload-tcp-cpu', unit: 'ms/Gbit', bar: { of: 'ratio', atMost: 1.2 } },
    {
      name: 'offload-tcp-cpu-beside-user-space',
      unit: 'ms/Gbit',
      bar: { of: 'ratio', atMost: 0.1 },
      baseline: IN_USER_SPACE,
    },
    { name: 'offload-tcp-proxy', unit: '% of a core', bar: { of: 'value', atMost: 1 }, baseline: IN_USER_SPACE },
    { name: 'offload-tcp-into-kernel-p50', unit: 'ms', baseline: IN_USER_SPACE },
    { name: 'offload-tcp-into-kernel-p99', unit: 'ms', bar: { of: 'value', atMost: 10 }, baseline: IN_USER_SPACE },
    { name: 'offload-tcp-back-p50', unit: 'ms', baseline: IN_USER_SPACE },
    { name: 'offload-tcp-back-p99', unit: 'ms', bar: { of: 'value', atMost: 5 }, baseline: IN_USER_SPACE },
    { name: 'offload-tcp-refused', unit: '%' },
    { name: 'offload-tcp-program-hit', unit: 'ns', bar: { of: 'value', atMost: 400 } },
    { name: 'offload-tcp-program-hit-ipv6', unit: 'ns', bar: { of: 'value', atMost: 400 } },
    { name: 'offload-tcp-program-miss', unit: 'ns', bar: { of: 'value', atMost: 60 } },
    { name: 'offload-tcp-program-miss-same-port', unit: 'ns' },
    { name: 'offload-tcp-program-egress', unit: 'ns', bar: { of: 'value', atMost: 60 } },
    { name: 'offload-tcp-program-verified', unit: 'instructions' },
  ],
  measure: async (measurement) => ({
    ...(await withPath(measurement, 'offload-tcp', async (path) => ({
      ...(await throughput(measurement, path)),
      ...(await cpu(measurement, path)),
    }))),
    ...(await switches(measurement)),
    ...(measurement.contender.name === 'l7mp' && programs()),
  }),
};

function programs(): Readonly<Record<string, number>> {
  const { hit4, hit6, miss, stranger, instructions } = measureStreams();
  return {
    'offload-tcp-program-hit': hit4,
    'offload-tcp-program-hit-ipv6': hit6,
    'offload-tcp-program-miss': miss,
    'offload-tcp-program-miss-same-port': stranger,
    'offload-tcp-program-egress': measureEgress(),
    'offload-tcp-program-verified': instructions,
  };
}

/** What the server's sockets receive in a window of time, while iperf3 sends. */
async function throughput(
  measurement: Measurement,
  { targetAddress, targetPort, proxy }: Path,
): Promise<Readonly<Record<string, number>>> {
  const { lab, contender, durationMs } = measurement;
  const values: Record<string, number> = {};
  await withServer(lab, async () => {
    for (const streams of STREAMS) {
      const words = ['-c', targetAddress, '-p', String(targetPort), '-P', String(streams), '-t', '3600'];
      const client = lab.start('client', ['iperf3', ...words]);
      let failure: Error | undefined;
      client.output.catch((error: unknown) => (failure = error as Error));
      try {
        await sleep(WARM_UP_MS);
        if (contender.name === 'l7mp' && proxy) {
          const look = (): number => countKernelSessions(lab.namespace('proxy'));
          await untilInKernel(streams, look, () => sleep(50));
        }
        const before = await receivedBytes(measurement);
        await sleep(durationMs);
        const after = await receivedBytes(measurement);
        if (failure) throw failure;
        values[`offload-tcp-${streams}-streams`] = ((after.bytes - before.bytes) * 8) / (after.at - before.at) / 1e6;
      } finally {
        await client.stop();
      }
    }
  });
  return values;
}

/** Of all connections of the server: payload that came, each byte once. */
async function receivedBytes({ lab }: Measurement): Promise<{ readonly bytes: number; readonly at: number }> {
  const words = ['-Htin', 'state', 'established', 'sport', '=', `:${SERVER_PORT}`];
  const text = await lab.run('server', ['ss', ...words]);
  const bytes = [...text.matchAll(/ bytes_received:(\d+)/gu)].reduce((sum, [, count]) => sum + Number(count), 0);
  return { bytes, at: monotonicMs() };
}

/** What the machine works for a Gbit above what it would for the same on a wire: both in turn, as what it does besides changes. */
async function cpu(
  { lab, contender, quick }: Measurement,
  { targetAddress, targetPort, proxy }: Path,
): Promise<Readonly<Record<string, number>>> {
  const steady = (where: Partial<SteadyOptions>): Promise<SteadyResult> => {
    const options = { rate: STEADY_RATE, milliseconds: quick ? 1000 : 2000, ...where };
    return runLoad<SteadyResult>(lab, 'tcp-steady', options, 60_000);
  };
  const above: number[] = [];
  const own: number[] = [];
  for (let slice = 0; slice < (quick ? 1 : STEADY_SLICES); slice++) {
    const wire = await steady(onWire(lab));
    const found = await steady({
      targetAddress,
      targetPort,
      ...(proxy && { proxyPid: proxy.pid }),
      ...(contender.name === 'l7mp' && { offloadedIn: lab.namespace('proxy') }),
    });
    above.push((found.busy - wire.busy) * 1000);
    own.push(found.proxy * 100);
  }
  return {
    'offload-tcp-cpu': median(above),
    'offload-tcp-cpu-beside-user-space': median(above),
    ...(proxy && { 'offload-tcp-proxy': median(own) }),
  };
}

/** How long a stream that is busy both ways stands still when it goes into the kernel, and when it comes back. */
async function switches({ lab, contender, quick }: Measurement): Promise<Readonly<Record<string, number>>> {
  if (contender.name !== 'l7mp' && contender.name !== IN_USER_SPACE) return {};
  const options: RelayOptions = {
    port: PROXY_PORT,
    serverAddress: SERVER,
    serverPort: SERVER_PORT,
    rounds: quick ? 10 : 50,
    inUserSpace: contender.name === IN_USER_SPACE,
  };
  const file = join(import.meta.dirname, '../load/splice-relay.js');
  const relay = await lab.serve('proxy', [...NODE, file, JSON.stringify(options)], 'tcp', PROXY_PORT);
  try {
    const gaps = await runLoad<GapsResult>(lab, 'tcp-gaps', {}, 120_000);
    const { intoKernel, back } = JSON.parse(await relay.output) as RelayResult;
    const moves = [...intoKernel, ...back];
    const refused = moves.filter(({ refusal }) => refusal !== undefined);
    const [cameIn, cameBack] = [intoKernel, back].map((all) => all.filter(({ refusal }) => refusal === undefined));
    if (!cameIn?.length || !cameBack?.length) throw new Error(`no hand-over: ${refused[0]?.refusal ?? ''}`);
    const [intoP50, intoP99] = standstills(gaps, cameIn);
    const [backP50, backP99] = standstills(gaps, cameBack);
    return {
      'offload-tcp-into-kernel-p50': intoP50,
      'offload-tcp-into-kernel-p99': intoP99,
      'offload-tcp-back-p50': backP50,
      'offload-tcp-back-p99': backP99,
      'offload-tcp-refused': (refused.length / moves.length) * 100,
    };
  } finally {
    await relay.stop();
  }
}
