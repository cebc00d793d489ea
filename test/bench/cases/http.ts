/** What wrk and h2load measure against nginx: connections, HTTP/1.1 and HTTP/2 requests; and HTTP's latency under half load. */
import { nginxCommand } from '../contenders.ts';
import { type Lab, PROXY } from '../lab.ts';
import type { HttpOptions, HttpResult } from '../load/http.ts';
import { type Benchmark, runLoad, withProxy } from '../measurement.ts';
import { PROXY_PORT, SERVER_PORT } from '../route.ts';

const CONNECTIONS = 50;
/** Until V8 has compiled what is hot: with the one core that a contender has, that goes on beside its work for seconds. */
export const WARM_UP_MS = 5000;
const URL = `http://${PROXY}:${PROXY_PORT}/`;

/** Runs `use` while nginx answers with 1 KB. */
export async function withServer<T>(lab: Lab, http2: boolean, use: () => Promise<T>): Promise<T> {
  const body = `http {
  access_log off;
  keepalive_requests 1000000000;
  default_type text/plain;
  server {
    listen ${SERVER_PORT} backlog=4096${http2 ? ' http2' : ''};
    location / { return 200 "${'x'.repeat(1024)}"; }
  }
}`;
  const command = nginxCommand(lab.makeDirectory('server'), body);
  const server = await lab.serve('server', command, 'tcp', SERVER_PORT);
  try {
    return await use();
  } finally {
    await server.stop();
  }
}

/** Requests a second. */
export async function wrk(lab: Lab, durationMs: number, headers: readonly string[] = []): Promise<number> {
  const seconds = `${Math.ceil(durationMs / 1000)}s`;
  const options = ['-t', '1', '-c', String(CONNECTIONS), '-d', seconds, ...headers.flatMap((line) => ['-H', line])];
  const output = await lab.run('client', ['wrk', ...options, URL], durationMs * 2 + 10_000);
  const errors = /Non-2xx.*/.exec(output)?.[0];
  if (errors) throw new Error(`wrk: ${errors}`);
  return Number(/Requests\/sec: +([\d.]+)/.exec(output)?.[1] ?? NaN);
}

async function warmWrk(lab: Lab, durationMs: number, headers: readonly string[] = []): Promise<number> {
  await wrk(lab, WARM_UP_MS, headers);
  return wrk(lab, durationMs, headers);
}

export const connections: Benchmark = {
  name: 'connections',
  kind: 'tcp',
  repeats: 11,
  metrics: [{ name: 'tcp-connections', unit: 'connections/s', bar: { of: 'ratio', atLeast: 0.85 } }],
  measure: (measurement) =>
    withProxy(measurement, 'tcp', () =>
      withServer(measurement.lab, false, async () => ({
        'tcp-connections': await warmWrk(measurement.lab, measurement.durationMs, ['Connection: close']),
      })),
    ),
};

export const http: Benchmark = {
  name: 'http',
  kind: 'http',
  repeats: 7,
  metrics: [
    { name: 'http1-requests', unit: 'requests/s', bar: { of: 'ratio', atLeast: 1.2 } },
    { name: 'http1-p50', unit: 'us' },
    { name: 'http1-p99', unit: 'us', bar: { of: 'ratio', atMost: 1.5 } },
  ],
  measure: (measurement) =>
    withProxy(measurement, 'http', async () => {
      const { lab, durationMs, shared } = measurement;
      const requests = await withServer(lab, false, () => warmWrk(lab, durationMs));
      const rate = shared.get('http1-rate') ?? requests / 2;
      shared.set('http1-rate', rate);
      const options = { connections: CONNECTIONS, rate, milliseconds: durationMs } satisfies Partial<HttpOptions>;
      const { p50, p99 } = await runLoad<HttpResult>(lab, 'http', options, durationMs + 30_000);
      return { 'http1-requests': requests, 'http1-p50': p50, 'http1-p99': p99 };
    }),
};

export const http2: Benchmark = {
  name: 'http2',
  kind: 'http2',
  metrics: [{ name: 'http2-requests', unit: 'requests/s' }],
  measure: (measurement) =>
    withProxy(measurement, 'http2', () =>
      withServer(measurement.lab, measurement.contender.name !== 'nginx', async () => {
        const { lab, durationMs } = measurement;
        const seconds = String(Math.ceil(durationMs / 1000));
        const options = ['-c', '8', '-m', '16', '-t', '1', '--warm-up-time=1', '-D', seconds];
        const output = await lab.run('client', ['h2load', ...options, URL], durationMs * 2 + 10_000);
        if (!/ [1-9]\d* succeeded, 0 failed, 0 errored/.test(output)) throw new Error(`h2load: ${output.slice(-1500)}`);
        return { 'http2-requests': Number(/, ([\d.]+) req\/s/.exec(output)?.[1] ?? NaN) };
      }),
    ),
};
