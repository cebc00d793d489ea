import { expect } from 'chai';
import type { HealthCheck } from '../../../../gen/l7mp/config/v1/types.ts';
import type { Probe } from '../../../../dataplane/cluster/health.ts';
import {
  clusterConfig,
  endpoint,
  recordingLogger,
  settled,
  stopClock,
  testCluster,
  type TestCluster,
} from '../../../support/cluster.ts';

const CHECK: HealthCheck = {
  type: 'tcp',
  interval: 1000,
  timeout: 200,
  healthy_threshold: 2,
  unhealthy_threshold: 3,
  port: 0,
  path: '/',
  expected_statuses: [],
};
/** Longer than the interval with its jitter. */
const ROUND = 1050;

/** Endpoints that answer as the test says. */
class FakeProbes {
  readonly sick = new Map<string, Error | 'silent'>();
  readonly asked: string[] = [];
  readonly signals: AbortSignal[] = [];

  readonly probe: Probe = ({ name }, _config, signal) => {
    this.asked.push(name);
    this.signals.push(signal);
    const state = this.sick.get(name);
    if (state === undefined) return Promise.resolve();
    if (state !== 'silent') return Promise.reject(state);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  };
}

describe('active health checks', () => {
  let clock: ReturnType<typeof stopClock>;
  let probes: FakeProbes;
  let test: TestCluster | undefined;

  beforeEach(() => {
    clock = stopClock();
    probes = new FakeProbes();
  });

  afterEach(async () => {
    await test?.cluster.close();
    test = undefined;
    clock.restore();
  });

  const create = async (
    check: Partial<HealthCheck> = {},
    names = 'ab',
    options: Parameters<typeof testCluster>[1] = {},
  ): Promise<TestCluster> => {
    const endpoints = Array.from(names, (name) => endpoint(name));
    test = testCluster({ health_check: { ...CHECK, ...check }, endpoints }, { probe: probes.probe, ...options });
    test.cluster.start();
    await settled();
    return test;
  };
  const health = ({ cluster }: TestCluster): string =>
    cluster
      .view()
      .map((view) => view.health)
      .join(' ');
  const fail = (name: string): unknown => probes.sick.set(name, new Error('refused by the test'));

  it('ask every endpoint at once, then at the interval, give or take a twentieth', async () => {
    await create();
    expect(probes.asked.join(' ')).to.equal('a b');
    await clock.tick(949);
    expect(probes.asked.join(' ')).to.equal('a b');
    await clock.tick(101);
    expect(probes.asked.slice().sort().join(' ')).to.equal('a a b b');
  });

  it('take an endpoint for healthy before its first answer', () => {
    fail('a');
    test = testCluster({ health_check: CHECK }, { probe: probes.probe });
    test.cluster.start();
    expect(test.connect().endpoint.name).to.equal('a');
  });

  it('believe the first answer alone: nothing was known before', async () => {
    fail('a');
    const cluster = await create();
    expect(health(cluster)).to.equal('unhealthy healthy');
    expect(cluster.connect().endpoint.name).to.equal('b');
  });

  it('turn an endpoint unhealthy after so many failures in a row, and healthy after so many successes', async () => {
    const cluster = await create();
    fail('a');
    await clock.tick(ROUND);
    await clock.tick(ROUND);
    expect(health(cluster)).to.equal('healthy healthy');
    await clock.tick(ROUND);
    expect(health(cluster)).to.equal('unhealthy healthy');
    probes.sick.clear();
    await clock.tick(ROUND);
    expect(health(cluster)).to.equal('unhealthy healthy');
    await clock.tick(ROUND);
    expect(health(cluster)).to.equal('healthy healthy');
  });

  it('start counting again when an answer is otherwise', async () => {
    const cluster = await create();
    for (let round = 0; round < 4; round++) {
      fail('a');
      await clock.tick(ROUND);
      await clock.tick(ROUND);
      probes.sick.clear();
      await clock.tick(ROUND);
    }
    expect(health(cluster)).to.equal('healthy healthy');
  });

  it('count silence as failure, and ask again only after it', async () => {
    probes.sick.set('a', 'silent');
    const cluster = await create({ unhealthy_threshold: 1 }, 'a');
    await clock.tick(199);
    expect(health(cluster)).to.equal('healthy');
    await clock.tick(1);
    expect(health(cluster)).to.equal('unhealthy');
    expect(probes.asked).to.have.length(1);
    await clock.tick(ROUND);
    expect(probes.asked).to.have.length(2);
  });

  it('fail sessions at once where all are unhealthy, and say so', async () => {
    fail('a');
    fail('b');
    const cluster = await create();
    expect(cluster.refusal()).to.equal('NO_ENDPOINT');
    expect(() => cluster.connect()).to.throw('can use none of its 2 endpoints: 2 unhealthy, 0 without an address');
    expect(cluster.connector.requests).to.have.length(0);
  });

  it('leave open sessions alone', async () => {
    const cluster = await create({ unhealthy_threshold: 1 });
    const opened = cluster.connect();
    fail('a');
    await clock.tick(ROUND);
    expect(cluster.cluster.view()[0]).to.include({ health: 'unhealthy', sessions: 1 });
    opened.release();
  });

  it('do not hold our own want of descriptors against endpoints', async () => {
    const cluster = await create({ unhealthy_threshold: 1 });
    probes.sick.set('a', Object.assign(new Error('too many open files'), { code: 'EMFILE' }));
    await clock.tick(ROUND);
    await clock.tick(ROUND);
    expect(health(cluster)).to.equal('healthy healthy');
  });

  it('begin for endpoints that come, end for those that go, and keep what is known of those that stay', async () => {
    fail('b');
    const { cluster } = await create();
    probes.asked.length = 0;
    cluster.update(clusterConfig({ health_check: CHECK, endpoints: [endpoint('b'), endpoint('c')] }));
    await settled();
    expect(probes.asked.join(' ')).to.equal('c');
    expect(health(test!)).to.equal('unhealthy healthy');
    await clock.tick(ROUND);
    expect(probes.asked.slice(1).sort().join(' ')).to.equal('b c');
  });

  it('end the check under way of an endpoint that goes, unheard', async () => {
    probes.sick.set('a', 'silent');
    const { cluster } = await create({}, 'a');
    cluster.update(clusterConfig({ health_check: CHECK, endpoints: [endpoint('b')] }));
    expect(probes.signals[0]?.aborted).to.equal(true);
    await clock.tick(ROUND);
    expect(probes.asked.filter((name) => name === 'a')).to.have.length(1);
  });

  it('go on from what is known when they are changed', async () => {
    fail('a');
    const { cluster } = await create();
    cluster.update(
      clusterConfig({ health_check: { ...CHECK, interval: 100 }, endpoints: [endpoint('a'), endpoint('b')] }),
    );
    expect(health(test!)).to.equal('unhealthy healthy');
    await settled();
    probes.sick.clear();
    await clock.tick(105);
    await clock.tick(105);
    expect(health(test!)).to.equal('healthy healthy');
  });

  it('forget what they knew when they are taken out of the configuration', async () => {
    fail('a');
    const { cluster } = await create();
    cluster.update(clusterConfig({ endpoints: [endpoint('a'), endpoint('b')] }));
    probes.asked.length = 0;
    expect(health(test!)).to.equal('healthy healthy');
    await clock.tick(ROUND);
    expect(probes.asked).to.deep.equal([]);
  });

  it('stop when the cluster is closed; nobody is unhealthy for ever then', async () => {
    fail('a');
    const cluster = await create({}, 'a');
    await cluster.cluster.close();
    probes.asked.length = 0;
    await clock.tick(10 * ROUND);
    expect(probes.asked).to.deep.equal([]);
    expect(cluster.connect().endpoint.name).to.equal('a');
  });

  it('do not ask what has no address', async () => {
    test = testCluster(
      { health_check: CHECK, endpoints: [], spec: { protocol: 'Echo' } as never },
      { probe: probes.probe, local: true },
    );
    test.cluster.start();
    await settled();
    expect(probes.asked).to.deep.equal([]);
  });

  it('tell of every turn, with the reason, once', async () => {
    const log = recordingLogger();
    fail('a');
    await create({}, 'a', { log });
    await clock.tick(ROUND);
    probes.sick.clear();
    await clock.tick(ROUND);
    await clock.tick(ROUND);
    expect(log.lines).to.deep.equal(['warn: endpoint is unhealthy', 'info: endpoint is healthy']);
    expect(log.fields[0]).to.deep.equal({ cluster: 'cluster', endpoint: 'a', reason: 'refused by the test' });
  });
});
