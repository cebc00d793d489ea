import { expect } from 'chai';
import type { Dns } from '../../../../gen/l7mp/config/v1/types.ts';
import { isName, systemResolve } from '../../../../dataplane/cluster/dns.ts';
import type { Opened, Opening } from '../../../../dataplane/core/cluster.ts';
import { ProxyError } from '../../../../common/errors.ts';
import {
  clusterConfig,
  endpoint,
  recordingLogger,
  request,
  settled,
  stopClock,
  testCluster,
  type TestCluster,
} from '../../../support/cluster.ts';

const DNS: Dns = { interval: 5000, family: 'any', all: false };

/** A name server that the test plays: a name gives addresses, an error, or nothing until the test answers. */
class FakeNames {
  readonly answers = new Map<string, readonly string[] | Error>();
  readonly asked: string[] = [];
  private readonly waiting: { name: string; resolve(found: readonly string[]): void; reject(error: Error): void }[] =
    [];

  readonly resolve = (name: string, family: Dns['family']): Promise<readonly string[]> => {
    this.asked.push(`${name} ${family}`);
    const answer = this.answers.get(name);
    if (answer === undefined) return new Promise((resolve, reject) => this.waiting.push({ name, resolve, reject }));
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };

  /** Answers the oldest question for a name. */
  async answer(name: string, answer: readonly string[] | Error): Promise<void> {
    const [asked] = this.waiting.splice(
      this.waiting.findIndex((each) => each.name === name),
      1,
    );
    if (answer instanceof Error) asked!.reject(answer);
    else asked!.resolve(answer);
    await settled();
  }
}

describe('endpoints named by host names', () => {
  let clock: ReturnType<typeof stopClock>;
  let names: FakeNames;
  let test: TestCluster | undefined;

  beforeEach(() => {
    clock = stopClock();
    names = new FakeNames();
  });

  afterEach(async () => {
    await test?.cluster.close();
    test = undefined;
    clock.restore();
  });

  const create = (
    overrides: Parameters<typeof testCluster>[0] = {},
    options: Parameters<typeof testCluster>[1] = {},
  ): TestCluster => {
    test = testCluster(
      { endpoints: [endpoint('e', 'web.example')], ...overrides },
      { resolve: names.resolve, ...options },
    );
    test.cluster.start();
    return test;
  };
  const addresses = ({ cluster }: TestCluster): string =>
    cluster
      .view()
      .map(({ name, address }) => `${name}=${address}`)
      .join(' ');
  const open = (overrides: Parameters<typeof request>[0] = {}): Opening => {
    const result = test!.cluster.open(request(overrides));
    if ('stream' in result) throw new Error('expected an opening, found a stream');
    return result;
  };
  const codeOf = (opening: Opening): Promise<string> =>
    opening.opened.then(
      () => 'OPENED',
      (error: unknown) => ProxyError.from(error).code,
    );

  it('are looked up at the start; the connector is told the address and the name', async () => {
    names.answers.set('web.example', ['192.0.2.1', '192.0.2.2']);
    const { connector, connect } = create();
    await settled();
    connect();
    expect(connector.requests[0]?.target).to.include({
      name: 'e',
      address: '192.0.2.1',
      hostname: 'web.example',
      port: 80,
    });
  });

  it('are waited for by sessions that come before the first answer', async () => {
    create();
    const opening = open();
    await names.answer('web.example', ['192.0.2.1']);
    expect((await opening.opened).endpoint.address).to.equal('192.0.2.1');
  });

  it('are waited for by sessions that come before the cluster is started', async () => {
    test = testCluster({ endpoints: [endpoint('e', 'web.example')] }, { resolve: names.resolve });
    const opening = open();
    names.answers.set('web.example', ['192.0.2.1']);
    test.cluster.start();
    expect((await opening.opened).endpoint.address).to.equal('192.0.2.1');
  });

  it('are waited for no longer than a session’s time, connecting included', async () => {
    const { connector, cluster } = create();
    const [patient, hasty] = [open({ timeout: 500 }), open({ timeout: 200 })];
    const codes = Promise.all([patient, hasty].map(codeOf));
    await clock.tick(300);
    connector.plan = () => 'later';
    await names.answer('web.example', ['192.0.2.1']);
    expect(connector.connecting).to.have.length(1);
    await clock.tick(199);
    expect(connector.connecting[0]?.request.signal.aborted).to.equal(false);
    await clock.tick(1);
    expect(await codes).to.deep.equal(['CONNECT_TIMEOUT', 'HOST_NOT_FOUND']);
    expect(connector.connecting[0]?.request.signal.aborted).to.equal(true);
    expect(cluster.view()[0]?.sessions).to.equal(0);
  });

  it('count those that wait against the limits, and let them go', async () => {
    const { refusal } = create({ circuit_breaker: { max_sessions: 0, max_pending: 1, max_retries: 0 } });
    const opening = open();
    expect(refusal()).to.equal('CIRCUIT_OPEN');
    opening.abort(new ProxyError('DELETED', 'deleted by the test'));
    expect(await codeOf(opening)).to.equal('DELETED');
    const next = codeOf(open());
    await names.answer('web.example', ['192.0.2.1']);
    expect(await next).to.equal('OPENED');
    expect(test!.connector.requests, 'the one that left is not connected').to.have.length(1);
  });

  it('fail sessions that waited in the connector’s way', async () => {
    const { connector } = create();
    connector.plan = () => new ProxyError('CONNECT_REFUSED', 'refused by the test');
    const code = codeOf(open());
    await names.answer('web.example', ['192.0.2.1']);
    expect(await code).to.equal('CONNECT_REFUSED');
  });

  it('fail sessions with what went wrong, and recover at the next look-up', async () => {
    names.answers.set('web.example', new Error('queryA ENOTFOUND web.example'));
    const { connect, refusal } = create();
    await settled();
    expect(refusal()).to.equal('HOST_NOT_FOUND');
    expect(() => connect()).to.throw('no address of its endpoints: web.example: queryA ENOTFOUND web.example');
    expect(test!.cluster.view()[0]?.health).to.equal('unhealthy');
    names.answers.set('web.example', ['192.0.2.1']);
    await clock.tick(5000);
    expect(connect().endpoint.address).to.equal('192.0.2.1');
  });

  it('end the waiting of sessions when the look-up fails', async () => {
    create();
    const code = codeOf(open());
    await names.answer('web.example', new Error('no such name'));
    expect(await code).to.equal('HOST_NOT_FOUND');
  });

  it('are looked up again at the interval; new sessions go to the new address, old ones go on', async () => {
    names.answers.set('web.example', ['192.0.2.1']);
    const { connect } = create({ dns: { ...DNS, interval: 300 } });
    await settled();
    const old = connect();
    names.answers.set('web.example', ['192.0.2.9']);
    await clock.tick(299);
    expect(connect().endpoint.address).to.equal('192.0.2.1');
    await clock.tick(1);
    expect(connect().endpoint.address).to.equal('192.0.2.9');
    expect(old.endpoint.address).to.equal('192.0.2.1');
    old.release();
    expect(names.asked).to.have.length(2);
  });

  it('stay at their address as long as the name has it, in whatever order answers come', async () => {
    names.answers.set('web.example', ['192.0.2.1', '192.0.2.2']);
    const cluster = create();
    await settled();
    const open_ = cluster.connect();
    names.answers.set('web.example', ['192.0.2.2', '192.0.2.1']);
    await clock.tick(5000);
    expect(addresses(cluster)).to.equal('e=192.0.2.1');
    expect(cluster.cluster.view()[0]?.sessions).to.equal(1);
    open_.release();
  });

  it('keep the last addresses when a look-up fails or is empty, and say so once', async () => {
    const log = recordingLogger();
    names.answers.set('web.example', ['192.0.2.1']);
    const cluster = create({}, { log });
    await settled();
    for (const answer of [new Error('server failure'), [], new Error('server failure')]) {
      names.answers.set('web.example', answer);
      await clock.tick(5000);
      expect(addresses(cluster)).to.equal('e=192.0.2.1');
    }
    names.answers.set('web.example', ['192.0.2.1']);
    await clock.tick(5000);
    expect(log.lines).to.deep.equal([
      'warn: looking up an endpoint failed; it keeps the addresses that it has',
      'info: looking up an endpoint works again',
    ]);
    expect(log.fields[0]).to.deep.equal({ name: 'web.example', error: 'server failure' });
  });

  it('are each an endpoint for every address, where all are wanted, and those that stay keep their state', async () => {
    names.answers.set('web.example', ['192.0.2.2', '192.0.2.1', '192.0.2.2']);
    const cluster = create({
      dns: { ...DNS, all: true },
      loadbalancer: { policy: 'RoundRobin', table_size: 7, points: 1 },
    });
    await settled();
    expect(addresses(cluster)).to.equal('e#192.0.2.1=192.0.2.1 e#192.0.2.2=192.0.2.2');
    const opened: Opened[] = [cluster.connect(), cluster.connect()];
    expect(opened.map(({ endpoint: { address } }) => address)).to.deep.equal(['192.0.2.1', '192.0.2.2']);
    names.answers.set('web.example', ['192.0.2.2', '192.0.2.3']);
    await clock.tick(5000);
    expect(addresses(cluster)).to.equal('e#192.0.2.2=192.0.2.2 e#192.0.2.3=192.0.2.3');
    expect(cluster.cluster.view().map(({ sessions }) => sessions)).to.deep.equal([1, 0]);
  });

  it('are asked for the wanted family', async () => {
    create({ dns: { ...DNS, family: 'ipv6' } });
    await settled();
    expect(names.asked).to.deep.equal(['web.example ipv6']);
  });

  it('do not hold others back: one that answers serves while another is silent', async () => {
    const { connect, connector } = create({
      endpoints: [endpoint('slow', 'slow.example'), endpoint('e', 'web.example')],
    });
    await names.answer('web.example', ['192.0.2.1']);
    connect();
    expect(connector.targets).to.deep.equal(['e']);
    await names.answer('slow.example', ['192.0.2.7']);
    connect();
    expect(connector.targets).to.deep.equal(['e', 'slow']);
  });

  it('do not make endpoints with addresses wait', () => {
    const { connect } = create({ endpoints: [endpoint('slow', 'slow.example'), endpoint('b')] });
    expect(connect().endpoint.name).to.equal('b');
  });

  it('share a look-up where they share a name', async () => {
    names.answers.set('web.example', ['192.0.2.1']);
    const two = [endpoint('e', 'web.example'), { name: 'f', spec: { address: 'web.example', port: 8080 }, weight: 1 }];
    create({ endpoints: two });
    await settled();
    expect(test!.cluster.view().map(({ port, address }) => `${address}:${port}`)).to.deep.equal([
      '192.0.2.1:80',
      '192.0.2.1:8080',
    ]);
  });

  it('come and go with the configuration', async () => {
    names.answers.set('web.example', ['192.0.2.1']);
    names.answers.set('new.example', ['192.0.2.2']);
    const cluster = create();
    await settled();
    cluster.cluster.update(clusterConfig({ endpoints: [endpoint('n', 'new.example')] }));
    await settled();
    expect(addresses(cluster)).to.equal('n=192.0.2.2');
    names.asked.length = 0;
    await clock.tick(5000);
    expect(names.asked).to.deep.equal(['new.example any']);
  });

  it('keep their addresses until they are looked up in a new way', async () => {
    names.answers.set('web.example', ['192.0.2.1']);
    const cluster = create();
    await settled();
    const endpoints = [endpoint('e', 'web.example')];
    names.answers.delete('web.example');
    cluster.cluster.update(clusterConfig({ endpoints, dns: { ...DNS, family: 'ipv6' } }));
    expect(addresses(cluster)).to.equal('e=192.0.2.1');
    await names.answer('web.example', ['2001:db8::1']);
    expect(addresses(cluster)).to.equal('e=2001:db8::1');
    expect(names.asked.at(-1)).to.equal('web.example ipv6');
  });

  it('do not hear an answer to an earlier question', async () => {
    const cluster = create();
    cluster.cluster.update(
      clusterConfig({ endpoints: [endpoint('e', 'web.example')], dns: { ...DNS, family: 'ipv4' } }),
    );
    await names.answer('web.example', ['2001:db8::1']);
    expect(addresses(cluster)).to.equal('e=');
    await names.answer('web.example', ['192.0.2.1']);
    expect(addresses(cluster)).to.equal('e=192.0.2.1');
  });

  it('end the waiting when the cluster is closed, and are asked for no more', async () => {
    const { cluster } = create();
    const code = codeOf(open());
    await cluster.close();
    expect(await code).to.equal('NO_ENDPOINT');
    await names.answer('web.example', ['192.0.2.1']);
    names.asked.length = 0;
    await clock.tick(60_000);
    expect(names.asked).to.deep.equal([]);
  });

  it('are not looked up where the protocol has no network: its addresses are its own', async () => {
    const cluster = create(
      { endpoints: [endpoint('e', 'eth0')], spec: { protocol: 'AF_PACKET' } as never },
      { local: true },
    );
    await settled();
    expect(addresses(cluster)).to.equal('e=eth0');
    expect(names.asked).to.deep.equal([]);
    expect(cluster.connect().endpoint.address).to.equal('eth0');
  });

  it('are balanced by their name, wherever it points to', async () => {
    const endpoints = ['a', 'b', 'c', 'd'].map((name) => endpoint(name, `${name}.example`));
    for (const { name } of endpoints) names.answers.set(`${name}.example`, [`192.0.2.${name.charCodeAt(0)}`]);
    const cluster = create({ endpoints, loadbalancer: { policy: 'HashRing', key: '/k', table_size: 7, points: 16 } });
    await settled();
    const owners = (): string[] =>
      Array.from({ length: 50 }, (_, index) => cluster.connect({ k: String(index) }).endpoint.name);
    const before = owners();
    names.answers.set('a.example', ['198.51.100.1']);
    await clock.tick(5000);
    expect(owners()).to.deep.equal(before);
  });
});

describe('what is a name', () => {
  for (const [address, expected] of Object.entries({
    'web.example': true,
    localhost: true,
    '10.0.0.1': false,
    '2001:db8::1': false,
    '/run/x.sock': false,
    './x.sock': false,
    '@abstract': false,
    '': false,
  })) {
    it(`"${address}": ${String(expected)}`, () => {
      expect(isName(address)).to.equal(expected);
    });
  }
});

describe('the system’s resolver', () => {
  it('knows localhost, by family', async () => {
    expect(await systemResolve('localhost', 'ipv4')).to.deep.equal(['127.0.0.1']);
    expect(await systemResolve('localhost', 'any')).to.include('127.0.0.1');
  });

  it('rejects what there is not (RFC 6761, section 6.4)', async () => {
    const error = await systemResolve('nowhere.invalid', 'any').catch((reason: unknown) => reason);
    expect(ProxyError.from(error).code).to.equal('HOST_NOT_FOUND');
  });
});
