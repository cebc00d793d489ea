/** TCP: throughput of long streams, by iperf3. */
import { PROXY } from '../lab.ts';
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
    withProxy(measurement, 'tcp', async () => {
      const { lab, durationMs } = measurement;
      const server = await lab.serve('server', ['iperf3', '-s', '-p', String(SERVER_PORT)], 'tcp', SERVER_PORT);
      const values: Record<string, number> = {};
      const seconds = Math.ceil(durationMs / 1000);
      const client = ['iperf3', '-J', '-c', PROXY, '-p', String(PROXY_PORT), '-O', '1', '-t', String(seconds)];
      try {
        for (const streams of STREAMS) {
          const output = await lab.run('client', [...client, '-P', String(streams)], durationMs * 2 + 10_000);
          const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } };
          values[`tcp-${streams}-streams`] = end.sum_received.bits_per_second / 1e9;
        }
      } finally {
        await server.stop();
      }
      return values;
    }),
};
