import { expect } from 'chai';
import { decodeConfig } from '../../../../config/decode.ts';
import type { Metadata } from '../../../../dataplane/core/session.ts';
import type { Opening } from '../../../../dataplane/core/cluster.ts';
import { type ErrorCode, ProxyError } from '../../../../common/errors.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import {
  clusterConfig,
  endpoint,
  request,
  settled,
  stopClock,
  testCluster,
  type TestCluster,
} from '../../../support/cluster.ts';

const REFUSED = new ProxyError('CONNECT_REFUSED', 'refused by the test');
const DELETED = new ProxyError('DELETED', 'deleted by the test');

/** The code that an opening ends with. */
async function codeOf(opening: Opening): Promise<ErrorCode | 'OPENED'> {
  return opening.opened.then(
    () => 'OPENED' as const,
    (error: unknown) => ProxyError.from(error).code,
  );
}

function openLater({ cluster, connector }: TestCluster, overrides: Parameters<typeof request>[0] = {}): Opening {
  connector.plan = () => 'later';
  const result = cluster.open(request(overrides));
  if ('stream' in result) throw new Error('expected an opening, found a stream');
  return result;
}

describe('opening a session of a cluster', () => {
  it('gives at once what the connector has at once', () => {
    const { cluster, connector } = testCluster();
    const stream = new FakeStream();
    connector.plan = () => stream;
    const opened = cluster.open(request());
    expect('stream' in opened && opened.stream).to.equal(stream);
    expect('stream' in opened && opened.endpoint.address).to.equal('10.0.0.1');
  });

  it('goes to the same host by the same key, whatever the port of the cluster', () => {
    const hostOf = (port: number, key: string): string | undefined => {
      const { cluster, connector } = testCluster({
        spec: { protocol: 'TCP', port, no_delay: true, proxy_protocol: 'off' },
        loadbalancer: { policy: 'HashRing', key: '/key', table_size: 65_537, points: 160 },
      });
      cluster.open(request({ metadata: { key } }));
      return connector.requests[0]?.target.address;
    };
    const keys = Array.from({ length: 20 }, (_, index) => `call-${index}`);
    expect(keys.map((key) => hostOf(40_001, key))).to.deep.equal(keys.map((key) => hostOf(40_000, key)));
    expect(new Set(keys.map((key) => hostOf(40_000, key)))).to.have.property('size', 3);
  });

  it('goes to the endpoint that a token leads to, as long as it may be picked and was not tried', () => {
    const { cluster, connector } = testCluster();
    const asked = (preferred: string, tried?: Set<string>): string | undefined => {
      cluster.open(request({ preferred, tried }));
      return connector.requests.at(-1)?.target.address;
    };
    expect(asked('10.0.0.3')).to.equal('10.0.0.3');
    expect(asked('10.0.0.3', new Set(['c']))).to.equal('10.0.0.1');
    expect(asked('10.0.0.9')).to.equal('10.0.0.1');
    cluster.update(clusterConfig({ endpoints: [endpoint('a'), endpoint('d')] }));
    expect([asked('10.0.0.3'), asked('10.0.0.4')]).to.deep.equal(['10.0.0.1', '10.0.0.4']);
  });

  it('tells the connector what its endpoints are, and are no more', () => {
    const { cluster, connector } = testCluster({ endpoints: [endpoint('a'), endpoint('b')] });
    const addresses = (): string[] => connector.retained.map((key) => (JSON.parse(key) as [string])[0]);
    expect(addresses()).to.deep.equal(['10.0.0.1', '10.0.0.2']);
    cluster.update(clusterConfig({ endpoints: [endpoint('b'), endpoint('c')] }));
    expect(addresses()).to.deep.equal(['10.0.0.2', '10.0.0.3']);
  });

  it('tells the connector all that it needs', () => {
    const { cluster, connector } = testCluster({
      endpoints: [
        { name: 'x', spec: { address: '10.0.0.9', port: 99, bind: { address: '10.0.0.8', port: 7 } }, weight: 1 },
      ],
    });
    const metadata = { IP: { src_addr: '1.2.3.4' } };
    cluster.open(request({ session: 's', metadata, timeout: 123 }));
    const [asked] = connector.requests;
    expect(asked?.session).to.equal('s');
    expect(asked?.metadata).to.equal(metadata);
    expect(asked?.timeout).to.equal(123);
    expect(asked?.target).to.include({ name: 'x', address: '10.0.0.9', hostname: '10.0.0.9', port: 99 });
    expect(asked?.target.bind).to.deep.equal({ address: '10.0.0.8', port: 7 });
  });

  it('gives endpoints the port and the bind address of the cluster, where they have none', () => {
    const spec = { ...clusterConfig().spec, port: 8080, bind: { address: '10.0.0.7', port: 0 } } as never;
    const { connect, connector } = testCluster({ spec });
    connect();
    expect(connector.requests[0]?.target).to.deep.include({ port: 8080, bind: { address: '10.0.0.7', port: 0 } });
  });

  it("gives endpoints the transport's port, where the cluster's protocol rides on one", () => {
    const transport_spec = { ...clusterConfig().spec, port: 9001 };
    const { connect, connector } = testCluster({
      spec: { protocol: 'JSONSocket', transport_spec, header: [] } as never,
    });
    connect();
    expect(connector.requests[0]?.target.port).to.equal(9001);
  });

  it('gives what the connector connects later', async () => {
    const test = testCluster();
    const opening = openLater(test);
    const stream = test.connector.connecting[0]!.succeed();
    expect((await opening.opened).stream).to.equal(stream);
    expect(test.cluster.view()[0]).to.include({ sessions: 1, totalSessions: 1 });
  });

  it('passes the connector’s error on, thrown or rejected, and counts it', async () => {
    const test = testCluster();
    test.connector.plan = () => REFUSED;
    expect(test.refusal()).to.equal('CONNECT_REFUSED');
    const opening = openLater(test);
    test.connector.connecting[0]!.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    expect(await codeOf(opening)).to.equal('PEER_RESET');
    const unknown = openLater(test);
    test.connector.connecting[1]!.fail('what is this');
    expect(await codeOf(unknown)).to.equal('CONNECT_FAILED');
    expect([...test.cluster.totals.failures]).to.deep.equal([
      ['CONNECT_REFUSED', 1],
      ['PEER_RESET', 1],
      ['CONNECT_FAILED', 1],
    ]);
    const none = { sessions: 0, totalSessions: 0 };
    expect(test.cluster.view()[0]).to.include({ ...none, totalAttempts: 3, totalFailures: 3 });
  });

  it('needs no endpoints where the protocol has no network: one of no address stands for it', () => {
    const config = { endpoints: [], spec: { protocol: 'Echo' } as never };
    const { connect, cluster } = testCluster(config, { local: true });
    expect(connect().endpoint).to.include({ name: 'cluster', address: '' });
    expect(cluster.view()).to.have.length(1);
  });

  it('takes the path of the cluster for that of an endpoint without one, and for the only one', () => {
    const spec = { protocol: 'UnixDomainSocket', filename: '/run/x.sock' } as never;
    expect(testCluster({ endpoints: [], spec }).connect().endpoint.address).to.equal('/run/x.sock');
    const endpoints = [{ name: 'e', spec: { port: 0 }, weight: 1 }];
    expect(testCluster({ endpoints, spec }).connect().endpoint.address).to.equal('/run/x.sock');
    expect(testCluster({ endpoints: [endpoint('e', '/run/own.sock')], spec }).connect().endpoint.address).to.equal(
      '/run/own.sock',
    );
  });

  it('says that there are no endpoints', () => {
    expect(() => testCluster({ endpoints: [] }).connect()).to.throw(ProxyError, 'cluster cluster has no endpoints');
    expect(testCluster({ endpoints: [] }).refusal()).to.equal('NO_ENDPOINT');
    expect(testCluster({ endpoints: [{ name: 'e', spec: { port: 1 }, weight: 1 }] }).refusal()).to.equal('NO_ENDPOINT');
  });

  it('counts how long connects took', async () => {
    const test = testCluster();
    const opening = openLater(test);
    test.connector.connecting[0]!.succeed();
    await opening.opened;
    const { counts, sum } = test.cluster.totals.connectLatency;
    expect(counts.reduce((total, count) => total + count, 0)).to.equal(1);
    expect(sum).to.be.above(0);
  });

  it('counts requests of HTTP that are over, by what they were and what became of them', async () => {
    const config = { clusters: [{ name: 'cluster', spec: { protocol: 'HTTP', method: 'PUT' } }] };
    const spec = decodeConfig(config).value?.clusters.get('cluster')?.value.spec;
    const test = testCluster({ spec: spec! });
    const asked = (metadata: Metadata, status: number | undefined, error?: ProxyError): void => {
      test.connector.plan = () => new FakeStream();
      const opened = test.cluster.open(request({ metadata }));
      if (!('stream' in opened)) throw new Error('expected a stream, found an opening');
      if (status !== undefined) opened.answered(status);
      opened.release(error);
      opened.release(error);
    };
    asked({ HTTP: { method: 'GET' } }, 200);
    asked({ HTTP: { method: 'GET' } }, 404);
    asked({ HTTP: { method: 'WEIRD' } }, undefined, REFUSED);
    asked({}, undefined);
    const opening = openLater(test, { metadata: { HTTP: { method: 'GET' } } });
    test.connector.connecting[0]!.fail(REFUSED);
    expect(await codeOf(opening)).to.equal('CONNECT_REFUSED');
    const counted = [...test.cluster.totals.requests.all({})].map(({ attributes, counted: { counts } }) => [
      attributes['http.request.method'],
      attributes['http.response.status_code'],
      attributes['error.type'],
      counts.reduce((sum, count) => sum + count),
    ]);
    expect(counted).to.have.deep.members([
      ['GET', 200, undefined, 1],
      ['GET', 404, '404', 1],
      ['_OTHER', undefined, 'CONNECT_REFUSED', 1],
      ['PUT', undefined, '_OTHER', 1],
      ['GET', undefined, 'CONNECT_REFUSED', 1],
    ]);
  });

  it('counts no requests of protocols that have none', () => {
    const { cluster, connector } = testCluster();
    connector.plan = () => new FakeStream();
    const opened = cluster.open(request({ metadata: { HTTP: { method: 'GET' } } }));
    if ('stream' in opened) opened.release();
    expect([...cluster.totals.requests.all({})]).to.deep.equal([]);
  });

  it('puts each connect time into its bucket', () => {
    const { totals } = testCluster().cluster;
    for (const elapsed of [0, 1, 1.5, 5000, 5001]) totals.countConnect(elapsed);
    expect(totals.connectLatency.counts).to.deep.equal([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    expect(totals.connectLatency.sum).to.equal(10_003.5);
  });
});

describe('an attempt of a session that has tried some', () => {
  for (const policy of ['Trivial', 'RoundRobin', 'Random', 'LeastSessions', 'HashRing', 'Maglev'] as const) {
    it(`goes to each of the others once, by ${policy}, and then to any`, () => {
      const { cluster, connector } = testCluster({
        loadbalancer: { policy, key: '/key', table_size: 251, points: 16 },
      });
      const tried = new Set<string>();
      for (let attempt = 0; attempt < 4; attempt++) cluster.open(request({ tried, metadata: { key: 'x' } }));
      expect(connector.targets.slice(0, 3).sort()).to.deep.equal(['a', 'b', 'c']);
      expect(connector.targets[3]).to.be.oneOf(['a', 'b', 'c']);
    });
  }

  it('knows whether there is another', () => {
    const { cluster } = testCluster();
    expect(cluster.hasOther(new Set(['a', 'b']))).to.equal(true);
    expect(cluster.hasOther(new Set(['a', 'b', 'c']))).to.equal(false);
  });
});

describe('a session’s hold on an endpoint', () => {
  it('is counted until it is released, once', () => {
    const { connect, cluster } = testCluster();
    const [first, second] = [connect(), connect()];
    expect(cluster.view()[0]).to.include({ sessions: 2, totalSessions: 2 });
    first.release();
    first.release();
    expect(cluster.view()[0]?.sessions).to.equal(1);
    second.release(new ProxyError('PEER_RESET', 'reset by the test'));
    expect(cluster.view()[0]).to.include({ sessions: 0, totalSessions: 2, totalFailures: 1 });
    expect(cluster.totals.failures.get('PEER_RESET')).to.equal(1);
  });

  it('counts while it is being connected, so that a burst is spread', async () => {
    const test = testCluster({ loadbalancer: { policy: 'LeastSessions', table_size: 7, points: 1 } });
    const openings = Array.from({ length: 6 }, () => openLater(test));
    expect(test.cluster.view().map(({ sessions }) => sessions)).to.deep.equal([2, 2, 2]);
    for (const connecting of test.connector.connecting) connecting.fail(REFUSED);
    await Promise.all(openings.map(codeOf));
    expect(test.cluster.view().map(({ sessions }) => sessions)).to.deep.equal([0, 0, 0]);
  });
});

describe('ending an attempt', () => {
  it('tells the connector by its signal, and leaves nothing counted', async () => {
    const test = testCluster({ circuit_breaker: { max_sessions: 0, max_pending: 1, max_retries: 1 } });
    const opening = openLater(test, { retry: true });
    const { signal } = test.connector.requests[0]!;
    opening.abort(DELETED);
    expect(signal.aborted).to.equal(true);
    expect(signal.reason).to.equal(DELETED);
    expect(await codeOf(opening)).to.equal('DELETED');
    expect(test.cluster.view()[0]).to.include({ sessions: 0, totalFailures: 0 });
    expect(test.cluster.totals.failures.size, 'it failed nobody').to.equal(0);
    expect(await codeOf(abortedAtOnce(test, { retry: true })), 'room again for a retry').to.equal('DELETED');
  });

  it('is told to a connector that looks at the signal only afterwards', async () => {
    const test = testCluster();
    const opening = openLater(test);
    opening.abort(DELETED);
    expect(await codeOf(opening)).to.equal('DELETED');
    expect(test.connector.requests[0]!.signal.reason).to.equal(DELETED);
  });

  it('destroys the stream of a connector that did not listen, and counts no session', async () => {
    const test = testCluster();
    const opening = openLater(test);
    opening.abort(DELETED);
    const late = test.connector.connecting[0]!.succeed();
    expect(await codeOf(opening)).to.equal('DELETED');
    await settled();
    expect(late.calls).to.deep.equal(['open', 'destroy']);
    expect(test.cluster.view()[0]).to.include({ sessions: 0, totalSessions: 0 });
    expect(test.cluster.totals.sessions).to.equal(0);
  });

  it('does not hear what the connector says afterwards', async () => {
    const test = testCluster();
    const opening = openLater(test);
    opening.abort(DELETED);
    test.connector.connecting[0]!.fail(REFUSED);
    expect(await codeOf(opening)).to.equal('DELETED');
    await settled();
    expect(test.cluster.totals.failures.size).to.equal(0);
  });

  it('does nothing once it is connected, or twice', async () => {
    const test = testCluster();
    const opening = openLater(test);
    const stream = test.connector.connecting[0]!.succeed();
    await opening.opened;
    opening.abort(DELETED);
    opening.abort(DELETED);
    expect(stream.calls).to.deep.equal([]);
    expect(test.cluster.view()[0]?.sessions).to.equal(1);
  });

  it('leaves no timer and no count behind, however attempts end', async () => {
    const test = testCluster({ circuit_breaker: { max_sessions: 50, max_pending: 50, max_retries: 50 } });
    for (let round = 0; round < 20; round++) {
      const openings = Array.from({ length: 50 }, () => openLater(test, { retry: true }));
      expect(test.refusal()).to.equal('CIRCUIT_OPEN');
      const connecting = test.connector.connecting.splice(0);
      openings.forEach((opening, index) => {
        if (index % 3 === 0) opening.abort(DELETED);
        else if (index % 3 === 1) connecting[index]!.fail(REFUSED);
        else {
          connecting[index]!.succeed();
          void opening.opened.then((opened) => opened.release());
        }
      });
      await Promise.allSettled(openings.map(({ opened }) => opened));
      await settled();
    }
    expect(test.cluster.view()[0]?.sessions).to.equal(0);
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
    expect(timers.length, 'timers that are left').to.be.below(5);
  });

  function abortedAtOnce(test: TestCluster, overrides: Parameters<typeof request>[0]): Opening {
    const opening = openLater(test, overrides);
    opening.abort(DELETED);
    return opening;
  }
});

describe('the time of an attempt', () => {
  let clock: ReturnType<typeof stopClock>;

  beforeEach(() => (clock = stopClock()));
  afterEach(() => clock.restore());

  it('ends with CONNECT_TIMEOUT, which is the endpoint’s fault', async () => {
    const test = testCluster();
    const opening = openLater(test, { timeout: 300 });
    const code = codeOf(opening);
    const { signal } = test.connector.requests[0]!;
    await clock.tick(299);
    expect(signal.aborted).to.equal(false);
    await clock.tick(1);
    expect(await code).to.equal('CONNECT_TIMEOUT');
    expect(signal.aborted).to.equal(true);
    expect(test.cluster.view()[0]).to.include({ sessions: 0, totalFailures: 1 });
    expect(test.cluster.totals.failures.get('CONNECT_TIMEOUT')).to.equal(1);
  });

  it('stops once it is connected', async () => {
    const test = testCluster();
    const opening = openLater(test, { timeout: 300 });
    const stream = test.connector.connecting[0]!.succeed();
    await opening.opened;
    await clock.tick(1000);
    expect(stream.calls).to.deep.equal([]);
    expect(test.cluster.totals.failures.size).to.equal(0);
  });
});

describe('the limits of a cluster', () => {
  const limits = (circuit: object): Parameters<typeof testCluster>[0] => ({
    circuit_breaker: { max_sessions: 0, max_pending: 0, max_retries: 0, ...circuit },
  });

  it('max_sessions: those above fail at once, until one ends', () => {
    const { connect, refusal, cluster } = testCluster(limits({ max_sessions: 2 }));
    const first = connect();
    connect();
    expect(refusal()).to.equal('CIRCUIT_OPEN');
    expect(cluster.totals.failures.get('CIRCUIT_OPEN')).to.equal(1);
    first.release();
    connect();
    expect(refusal()).to.equal('CIRCUIT_OPEN');
  });

  it('max_sessions: those that are being connected count', async () => {
    const test = testCluster(limits({ max_sessions: 1 }));
    const opening = openLater(test);
    expect(test.refusal()).to.equal('CIRCUIT_OPEN');
    test.connector.connecting[0]!.fail(REFUSED);
    await codeOf(opening);
    test.connector.plan = () => new FakeStream();
    test.connect();
  });

  it('max_pending: connects under way', async () => {
    const test = testCluster(limits({ max_pending: 2 }));
    openLater(test).opened.catch(() => undefined);
    const second = openLater(test);
    expect(test.refusal()).to.equal('CIRCUIT_OPEN');
    test.connector.connecting[1]!.succeed();
    await second.opened;
    const third = openLater(test);
    expect(test.refusal()).to.equal('CIRCUIT_OPEN');
    test.connector.connecting[0]!.fail(REFUSED);
    test.connector.connecting[2]!.fail(REFUSED);
    await codeOf(third);
  });

  it('max_retries: retries under way, while first attempts go on', async () => {
    const test = testCluster(limits({ max_retries: 1 }));
    const retry = openLater(test, { retry: true });
    expect(test.refusal({ retry: true })).to.equal('CIRCUIT_OPEN');
    const first = openLater(test);
    test.connector.connecting[0]!.fail(REFUSED);
    await codeOf(retry);
    const again = openLater(test, { retry: true });
    for (const connecting of test.connector.connecting) connecting.fail(REFUSED);
    await Promise.all([codeOf(first), codeOf(again)]);
  });

  it('can be changed while sessions are open', () => {
    const { connect, refusal, cluster } = testCluster(limits({ max_sessions: 1 }));
    connect();
    expect(refusal()).to.equal('CIRCUIT_OPEN');
    cluster.update(clusterConfig(limits({ max_sessions: 2 })));
    connect();
    expect(refusal()).to.equal('CIRCUIT_OPEN');
  });
});

describe('changing a cluster', () => {
  const bad = new ProxyError('PEER_RESET', 'reset by the test');

  it('keeps the state of endpoints that stay', () => {
    const { connect, cluster } = testCluster();
    connect().release(bad);
    const open = connect();
    cluster.update(clusterConfig({ endpoints: [endpoint('b'), endpoint('a', undefined, 7)] }));
    expect(cluster.view().map(({ name }) => name)).to.deep.equal(['b', 'a']);
    expect(cluster.view()[1]).to.include({ sessions: 1, totalSessions: 2, totalFailures: 1, weight: 7 });
    open.release();
    expect(cluster.view()[1]?.sessions).to.equal(0);
  });

  it('makes an endpoint anew that is at another place, while its sessions go on', () => {
    const { connect, cluster } = testCluster();
    const open = connect();
    cluster.update(clusterConfig({ endpoints: [endpoint('a', '10.9.9.9')] }));
    expect(cluster.view()[0]).to.include({ address: '10.9.9.9', sessions: 0, totalSessions: 0 });
    open.release(bad);
    expect(cluster.view()[0]).to.include({ sessions: 0, totalFailures: 0 });
  });

  it('balances in the new way from the next session on', () => {
    const { connect, connector, cluster } = testCluster();
    connect();
    cluster.update(clusterConfig({ loadbalancer: { policy: 'RoundRobin', table_size: 7, points: 1 } }));
    for (let session = 0; session < 3; session++) connect();
    expect(connector.targets.join(' ')).to.equal('a a b c');
  });

  it('keeps the turns of a balancer that stays', () => {
    const loadbalancer = { policy: 'RoundRobin', table_size: 7, points: 1 } as const;
    const { connect, connector, cluster } = testCluster({ loadbalancer });
    connect();
    cluster.update(clusterConfig({ loadbalancer: { ...loadbalancer }, connect_timeout: 5 }));
    connect();
    expect(connector.targets.join(' ')).to.equal('a b');
    expect(cluster.config.connect_timeout).to.equal(5);
  });

  it('closes its connector, while its sessions go on and may be connected again', async () => {
    const { connect, connector, cluster } = testCluster();
    const open = connect();
    await cluster.close();
    expect(connector.closed).to.equal(1);
    open.release();
    expect(connect().endpoint.name).to.equal('a');
  });
});
