import { expect } from 'chai';
import { Histogram } from '../../../../common/histogram.ts';
import { decodeConfig } from '../../../../config/decode.ts';
import type { TrafficItem } from '../../../../gen/messages.ts';
import { reportTraffic, type TopologySource } from '../../../../dataplane/topology/topology.ts';
import { SessionWays } from '../../../../dataplane/topology/way-totals.ts';
import { fakeSession } from '../../../support/admin.ts';

const CONFIG = {
  listeners: [
    {
      name: 'in',
      spec: { protocol: 'UDP', port: 5000 },
      rules: [
        {
          name: 'ru',
          match: { op: 'test', path: '/a', value: 1 },
          action: { route: { name: 'r', destination: 'out' } },
        },
        { name: 'more', match: { op: 'defined', path: '/b' }, action: { apply: 'others' } },
        { name: 'again', action: { apply: 'others' } },
      ],
    },
  ],
  rulelists: [
    {
      name: 'others',
      rules: [
        {
          name: 'split',
          action: {
            route: {
              name: 's',
              destinations: [
                { cluster: 'out', weight: 1 },
                { cluster: 'b', weight: 1 },
              ],
            },
          },
        },
        { name: 'said', action: { respond: { status: 404 } } },
      ],
    },
  ],
  clusters: [
    { name: 'out', spec: { protocol: 'UDP', port: 9003 }, endpoints: ['127.0.0.2'] },
    { name: 'b', spec: { protocol: 'Echo' } },
  ],
};

describe('the topology of a proxy', () => {
  let ways: SessionWays;
  let live: ReturnType<typeof fakeSession>[];
  let source: TopologySource;
  const items = (type: string): TrafficItem[] => reportTraffic(source).items.filter((each) => each.type === type);

  beforeEach(() => {
    const { value, faults } = decodeConfig(CONFIG, { lenient: false });
    if (value === undefined) throw new Error(JSON.stringify(faults));
    ways = new SessionWays();
    live = [];
    const latency = new Histogram([1, 10]);
    latency.add(4);
    const sums = { totalAttempts: 5, totalFailures: 2 };
    const endpoint = { name: 'out-EndPoint-1', address: '127.0.0.2', port: 9003, health: 'healthy', ...sums };
    source = {
      ways,
      sessions: () => live,
      snapshot: () => value,
      addressOf: () => '127.0.0.1:5000',
      clusters: () => [{ name: 'out', connectLatency: latency, endpoints: [endpoint] }],
      offload: () => undefined,
    };
  });

  it('has every way that is configured, through lists that are applied, each once', () => {
    const found = items('path').map(({ rule, route, cluster }) => [rule, route, cluster].join(' '));
    expect(found).to.have.members(['ru r out', 'split s out', 'split s b', 'said  ']);
  });

  it('counts live sessions and those that ended, along their way', () => {
    live = [fakeSession(), fakeSession({ status: 'DESTROYED' })];
    ways.ended(fakeSession({ reason: 'PEER_RESET', status: 'DESTROYED' }));
    ways.ended(fakeSession({ reason: 'OK', status: 'DESTROYED' }));
    ways.refuse('in');
    const sums = { active: 1, opened: 3, bytes_in: 30, bytes_out: 15 };
    expect(items('path').find(({ rule }) => rule === 'ru')).to.include({ ...sums, failed: 1, listener: 'in' });
    expect(items('listener')).to.have.lengthOf(1);
    expect(items('listener')[0]).to.include({ ...sums, failed: 2, detail: 'UDP', address: '127.0.0.1:5000' });
    expect(items('cluster')[0]).to.include({ ...sums, failed: 1, connects: 1, connect_ms: 4 });
    const ofEndpoint = { address: '127.0.0.2:9003', detail: 'healthy' };
    expect(items('endpoint')[0]).to.include({ ...sums, ...ofEndpoint, opened: 5, failed: 2 });
  });

  it('shows addresses of IPv6 in brackets, and each session in the kernel by one transport', () => {
    const engine = { attachment: 'tcx', interfaces: [], flows: 1, capacity: 9 };
    const endpoint = { name: 'e', address: '::1', port: 9003, health: 'healthy', totalAttempts: 0, totalFailures: 0 };
    const latency = new Histogram([1]);
    source = {
      ...source,
      clusters: () => [{ name: 'out', connectLatency: latency, endpoints: [endpoint] }],
      offload: () => ({
        ...{ engine, connections: { engine, handovers: 2 }, handovers: 5, handbacks: 0, refusals: new Map() },
        sessions: () => [],
      }),
    };
    expect(items('endpoint')[0]?.address).to.equal('[::1]:9003');
    expect(items('kernel').map(({ detail, opened }) => [detail, opened])).to.deep.equal([
      ['UDP', 3],
      ['TCP', 2],
    ]);
  });

  it('keeps the ways that were used last', () => {
    const kept = new SessionWays(2);
    for (const rule of ['a', 'b', 'a', 'c']) {
      kept.ended(fakeSession({ rule, reason: 'OK' }));
      kept.refuse(rule);
    }
    const { ways: sums } = kept.with([fakeSession({ rule: 'd' }), fakeSession({ rule: 'a' })]);
    expect([...sums.values()].map(({ way: { rule }, opened, active }) => [rule, opened, active])).to.have.deep.members([
      ['a', 3, 1],
      ['c', 1, 0],
      ['d', 1, 1],
    ]);
    expect(['a', 'b', 'c'].map((listener) => kept.refusedAt(listener))).to.deep.equal([2, 0, 1]);
  });

  it('leaves out what an earlier process has counted', () => {
    const none = { bytes: 0, packets: 0, dropped: 0 };
    const passed = { ingress: { bytes: 4, packets: 1, dropped: 0 }, egress: none };
    live = [fakeSession({ inherited: { passed, relayed: { ingress: none, egress: none } } })];
    expect(items('listener')[0]).to.include({ bytes_in: 6 });
  });

  it('takes for failed what traces and the access log do: no session of UDP that was idle, but one that was answered by 503', () => {
    for (const reason of ['IDLE_TIMEOUT', 'SESSION_TIMEOUT', 'LISTENER_CLOSED'] as const)
      ways.ended(fakeSession({ reason }));
    expect([items('path')[0]?.failed, reportTraffic(source).faults]).to.deep.equal([0, []]);
    ways.ended(fakeSession({ httpStatus: 503 }));
    expect([items('path')[0]?.failed, reportTraffic(source).faults[0]?.code]).to.deep.equal([1, '503']);
  });

  it('keeps the last sessions that failed, and says why', () => {
    for (let index = 0; index < 30; index++)
      ways.ended(fakeSession({ name: `${index}`, reason: 'CONNECT_REFUSED', endedAt: index }));
    ways.ended(fakeSession({ reason: 'DELETED' }));
    const { faults } = reportTraffic(source);
    expect(faults).to.have.lengthOf(20);
    expect(faults.at(-1)).to.include({ session: '29', listener: 'in', cluster: 'out', code: 'CONNECT_REFUSED' });
  });

  it('is bounded: the pieces with the most sessions are told', () => {
    const listeners = Array.from({ length: 2500 }, (_, index) => ({
      ...CONFIG.listeners[0],
      name: `l${index}`,
      rules: 'others',
    }));
    const { value } = decodeConfig({ ...CONFIG, listeners }, { lenient: false });
    source = { ...source, snapshot: () => value! };
    live = [fakeSession({ listener: 'l2499' })];
    const report = reportTraffic(source);
    expect(report.items).to.have.lengthOf(2000);
    expect(report.omitted).to.be.greaterThan(500);
    expect(report.items.find(({ type, listener }) => type === 'listener' && listener === 'l2499')?.active).to.equal(1);
  });
});
