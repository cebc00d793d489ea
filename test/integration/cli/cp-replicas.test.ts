import { expect } from 'chai';
import { l7mp } from '../../support/command.ts';
import { LoggingProcess } from '../../support/control-plane-process.ts';
import { Etcd } from '../../support/etcd.ts';

const WEB = `listeners:
  - name: web
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ action: { route: { destination: { name: back, spec: { protocol: Echo } } } } }]
`;

describe('several control planes over etcd, by the command', () => {
  let etcd: Etcd;
  let started: LoggingProcess[];

  beforeEach(async () => {
    started = [];
    etcd = await Etcd.start();
  });
  afterEach(async () => {
    await Promise.all(started.map((each) => each.stop()));
    await etcd.stop();
  });

  /** Gives its address. */
  async function controlPlane(id: string): Promise<string> {
    const store = `etcd://${etcd.address}/l7mp`;
    const running = new LoggingProcess(['controlplane', '--listen', '127.0.0.1:0', '--id', id, '--store', store]);
    started.push(running);
    return (await running.logged('ready'))['address'] as string;
  }

  async function proxy(id: string, servers: string): Promise<LoggingProcess> {
    const running = new LoggingProcess(['proxy', '--no-api', '--controlplane', servers, '--id', id]);
    started.push(running);
    await running.logged('connected to the control plane');
    return running;
  }

  it('serve the same, and each answers for the proxies of all', async () => {
    const [one, two] = await Promise.all([controlPlane('cp-1'), controlPlane('cp-2')]);
    await Promise.all([proxy('edge-1', one), proxy('edge-2', two)]);
    expect(await l7mp(['apply', '-f', '-', '--server', one], WEB)).to.include({ code: 0 });
    for (const server of [one, two]) {
      const waited = await l7mp(['wait', 'listener/web', '--min-proxies', '2', '--timeout', '7s', '--server', server]);
      expect(waited).to.include({ code: 0 });
      const { stdout } = await l7mp(['status', '--server', server]);
      expect(stdout)
        .to.match(/^edge-1 +Synced /mu)
        .and.match(/^edge-2 +Synced /mu);
      expect(stdout).to.match(/^Listener\/web +Serving +2 of 2 /mu);
    }
  }).timeout(40_000);

  it('are asked one after the other until one is there', async () => {
    const one = await controlPlane('cp-1');
    const nowhere = '127.0.0.1:1';
    for (const servers of [`${nowhere},${one}`, `${one},${nowhere}`, `http://${nowhere},http://${one}`]) {
      expect(await l7mp(['status', '--server', servers])).to.include({ code: 0, stderr: '' });
    }
    const none = await l7mp(['status', '--server', `${nowhere},127.0.0.1:2`]);
    expect(none.stderr).to.match(/^l7mp: expected a control plane at 127\.0\.0\.1:1,127\.0\.0\.1:2 .*ECONNREFUSED/u);
    const wrong = await l7mp(['status', '--server', `${one},`]);
    expect(wrong.stderr).to.match(/^l7mp: --server, L7MP_SERVER: expected HOST:PORT, .*, found ""\n$/u);
    expect([none.code, wrong.code]).to.deep.equal([4, 2]);
  }).timeout(40_000);
});
