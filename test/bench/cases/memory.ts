/** Memory: what 5,000 idle TCP sessions add to the resident set. */
import type { SessionsOptions, SessionsResult } from '../load/sessions.ts';
import { type Benchmark, runLoad, withProxy } from '../measurement.ts';

export const memory: Benchmark = {
  name: 'memory',
  kind: 'tcp',
  without: ['socat'], // a process a session
  metrics: [
    { name: 'memory-growth', unit: 'MB', bar: { of: 'ratio', atMost: 1.3 } },
    { name: 'memory-session', unit: 'KB/session' },
  ],
  measure: (measurement) =>
    withProxy(measurement, 'tcp', async (proxy) => {
      const sessions = measurement.quick ? 1000 : 5000;
      const options = { sessions, proxyPid: proxy.pid } satisfies Partial<SessionsOptions>;
      const { beforeKb, afterKb } = await runLoad<SessionsResult>(measurement.lab, 'sessions', options, 60_000);
      const growthKb = afterKb - beforeKb;
      return { 'memory-growth': growthKb / 1024, 'memory-session': growthKb / sessions };
    }),
};
