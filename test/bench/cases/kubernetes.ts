/** The control plane of a cluster: 1,000 services with 10,000 endpoints, 500 routes, 200 proxies, and a real API server. */
import { measureScale } from '../kubernetes/scale.ts';
import type { Benchmark } from '../measurement.ts';
import { quantile } from '../report.ts';

export const kubernetes: Benchmark = {
  name: 'kubernetes',
  kind: 'kubernetes',
  repeats: 1, // of minutes
  metrics: [
    { name: 'kubernetes-cold-start', unit: 'ms' },
    { name: 'kubernetes-change-p50', unit: 'ms' },
    { name: 'kubernetes-change-p99', unit: 'ms', bar: { of: 'value', atMost: 500 } },
    { name: 'kubernetes-rest-rss', unit: 'MB', bar: { of: 'value', atMost: 300 } },
    { name: 'kubernetes-rest-cpu', unit: '%' },
    // In 30 s. With a store of its own it has no lease.
    { name: 'kubernetes-rest-calls', unit: 'calls', bar: { of: 'value', atMost: 0 } },
    // What the storm came to: the bar is on what it is to be, not on us.
    { name: 'kubernetes-storm-rate', unit: 'changes/s', bar: { of: 'value', atLeast: 950 } },
    { name: 'kubernetes-storm-rss', unit: 'MB' },
    { name: 'kubernetes-storm-cpu', unit: '%' },
    { name: 'kubernetes-storm-settled', unit: 'ms' },
  ],
  async measure({ lab, quick }) {
    const { coldStartMs, changesMs, rest, storm } = await measureScale(lab.makeDirectory('kubernetes'), {
      size: quick ? { services: 100, endpoints: 10, routes: 50 } : { services: 1000, endpoints: 10, routes: 500 },
      proxies: quick ? 20 : 200,
      changes: quick ? 10 : 100,
      restMs: quick ? 3000 : 30_000,
      stormMs: quick ? 2000 : 10_000,
    });
    return {
      'kubernetes-cold-start': coldStartMs,
      'kubernetes-change-p50': quantile(changesMs, 0.5),
      'kubernetes-change-p99': quantile(changesMs, 0.99),
      'kubernetes-rest-rss': rest.mb,
      'kubernetes-rest-cpu': rest.cpuPercent,
      'kubernetes-rest-calls': rest.calls,
      'kubernetes-storm-rate': storm.rate,
      'kubernetes-storm-rss': storm.mb,
      'kubernetes-storm-cpu': storm.cpuPercent,
      'kubernetes-storm-settled': storm.settledMs,
    };
  },
};
