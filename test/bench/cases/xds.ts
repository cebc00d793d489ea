/** The control plane: 2,000 proxies, 10,000 resources, one changes. */
import type { Benchmark } from '../measurement.ts';
import { measureFleet, NAMES } from '../xds/fleet.ts';

export const xds: Benchmark = {
  name: 'xds',
  kind: 'xds',
  baseline: 'go-control-plane',
  repeats: 1, // of minutes; what matters is a median within
  metrics: [
    { name: 'wildcard-last-ack', unit: 'ms', bar: { of: 'ratio', atMost: 0.1 } },
    { name: 'wildcard-rss', unit: 'MB', bar: { of: 'ratio', atMost: 0.2 } },
    { name: 'wildcard-change-cpu', unit: 'ms' },
    { name: 'named-last-ack', unit: 'ms', bar: { of: 'ratio', atMost: 1 } },
    { name: 'named-rss', unit: 'MB', bar: { of: 'ratio', atMost: 1 } },
    { name: 'named-change-cpu', unit: 'ms' },
    { name: 'first-state', unit: 'ms', bar: { of: 'ratio', atMost: 0.7 } },
    { name: 'reconnect', unit: 'ms', bar: { of: 'ratio', atMost: 1 } },
    // How much longer the last acknowledgement takes while one proxy in ten never reads.
    { name: 'slow-readers', unit: 'x', bar: { of: 'value', atMost: 1.2 } },
  ],
  async measure({ lab, contender, quick }) {
    const server = contender.command('xds', lab.directory) ?? [];
    const [proxies, resources, changes] = quick ? [200, 1000, 2] : [2000, 10_000, 7];
    const fleet = { server, proxies, resources, changes };
    const wildcard = await measureFleet({ ...fleet, names: 0, reconnect: true });
    const slow = await measureFleet({ ...fleet, names: 0, slow: proxies / 10 });
    const named = await measureFleet({ ...fleet, names: NAMES });
    return {
      'wildcard-last-ack': wildcard.lastAckMs,
      'wildcard-rss': wildcard.peakMb,
      'wildcard-change-cpu': wildcard.changeCpuMs,
      'named-last-ack': named.lastAckMs,
      'named-rss': named.peakMb,
      'named-change-cpu': named.changeCpuMs,
      'first-state': wildcard.firstStateMs,
      reconnect: wildcard.reconnectMs,
      'slow-readers': slow.lastAckMs / wildcard.lastAckMs,
    };
  },
};
