/** TCP: throughput of long streams, by iperf3. */
import { type Lab, PROXY } from '../lab.ts';
import { type Benchmark, withProxy } from '../measurement.ts';
import { PROXY_PORT, SERVER_PORT } from '../route.ts';

const STREAMS = [1, 8];

export const tcp: Benchmark = {
  name: 'tcp',
  kind: 'tcp',
  metrics: STREAMS.map((streams) => ({
    name: `tcp-${streams}-streams`,
    unit: 'Gbit/s',
    bar: { of: 'ratio', atLeast: 0.95 },
  })),
  measure: (measurement) =>
    withProxy(measurement, 'tcp', () =>
      withServer(measurement.lab, async () => {
        const values: Record<string, number> = {};
        for (const streams of STREAMS) {
          values[`tcp-${streams}-streams`] = await iperf(measurement.lab, streams, measurement.durationMs);
        }
        return values;
      }),
    ),
};

/** Runs `use` while iperf3 serves. */
export async function withServer<T>(lab: Lab, use: () => Promise<T>): Promise<T> {
  const server = await lab.serve('server', ['iperf3', '-s', '-p', String(SERVER_PORT)], 'tcp', SERVER_PORT);
  try {
    return await use();
  } finally {
    await server.stop();
  }
}

/** Gbit a second that the server receives, after a second that is not measured. */
export async function iperf(lab: Lab, streams: number, durationMs: number): Promise<number> {
  const seconds = Math.ceil(durationMs / 1000);
  const client = ['iperf3', '-J', '-c', PROXY, '-p', String(PROXY_PORT), '-O', '1', '-t', String(seconds)];
  const output = await lab.run('client', [...client, '-P', String(streams)], durationMs * 2 + 10_000);
  const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e9;
}
