import { expect } from 'chai';
import { createServer } from 'node:net';
import { l7mp, ProxyProcess, runCommand } from '../../support/command.ts';
import { freePort } from '../../support/free-port.ts';
import { versionOf } from '../../support/peer.ts';

describe(`the port of the REST API, with ${versionOf('curl', '--version')}`, () => {
  let proxy: ProxyProcess;
  let port: number;
  let url: string;

  beforeEach(async () => {
    port = await freePort();
    url = `http://127.0.0.1:${port}/ready`;
  });
  afterEach(() => proxy.stop());

  /** As the original's files do it: with one more prefix, so that it is told apart. */
  const configured = (): object => ({
    admin: { api: { port } },
    listeners: [
      {
        name: 'controller',
        spec: { protocol: 'HTTP', address: '127.0.0.1', port },
        rules: [
          {
            match: { op: 'starts', path: '/HTTP/url/path', value: '/mine' },
            action: {
              rewrite: [{ path: '/HTTP/url/path', value: '/healthz' }],
              route: { destination: { spec: { protocol: 'L7mpController' } } },
            },
          },
        ],
      },
    ],
  });
  const status = async (address: string): Promise<string> =>
    (await runCommand('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', address])).stdout;
  const mine = (): string => url.replace('/ready', '/mine');

  it('is told of once where another program has it, and the proxy does not start', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    proxy = await ProxyProcess.start({ admin: { api: { port: 0 } } }); // for the hook
    proxy.write({ admin: { api: { port } } });
    const { code, stderr } = await l7mp(['proxy', '-c', proxy.file]);
    await new Promise((resolve) => server.close(resolve));
    expect(stderr.trim().split('\n')).to.have.length(1);
    expect(stderr).to.match(/^l7mp: admin.api: expected to listen, found ADDRESS_IN_USE/u);
    expect(code).to.equal(3);
  });

  it('is that of a listener of the configuration, where one wants it', async () => {
    proxy = await ProxyProcess.start(configured());
    expect(await proxy.logged('ready')).to.not.have.property('api');
    expect([await status(mine()), await status(url)]).to.deep.equal(['200', '404']);
  });

  it('is given to such a listener when the file comes to have one, and taken back', async () => {
    proxy = await ProxyProcess.start({ admin: { api: { port } } });
    expect([await status(mine()), await status(url)]).to.deep.equal(['404', '200']);
    proxy.write(configured());
    await proxy.logged('configuration reloaded');
    expect([await status(mine()), await status(url)]).to.deep.equal(['200', '404']);
    proxy.write({ admin: { api: { port } } });
    await proxy.logged('configuration reloaded', 1);
    expect([await status(mine()), await status(url)]).to.deep.equal(['404', '200']);
  });

  it('is not that of a listener of another transport, or of another address', async () => {
    const rules: unknown[] = [];
    proxy = await ProxyProcess.start({
      admin: { api: { port } },
      listeners: [
        { name: 'udp', spec: { protocol: 'UDP', address: '127.0.0.1', port }, rules },
        { name: 'beside', spec: { protocol: 'TCP', address: '127.0.0.2', port }, rules },
      ],
    });
    expect((await fetch(url)).status).to.equal(200);
  });

  it('is open to nobody with --no-api', async () => {
    proxy = await ProxyProcess.start({ admin: { api: { port } } }, ['--no-api']);
    expect(await status(url)).to.equal('000');
  });

  it('is missed by a proxy that would have nothing to do', async () => {
    proxy = await ProxyProcess.start({ admin: { api: { port } } }); // for the hook
    const { code, stderr } = await runCommand('bin/l7mp', ['proxy', '--no-api']);
    expect(stderr).to.equal(
      'l7mp: expected -c FILE or --controlplane beside --no-api, found neither: there is nothing to do\n',
    );
    expect(code).to.equal(2);
  });

  it('is not missed by one that gets something to do with a signal', async () => {
    proxy = await ProxyProcess.start({}, ['--no-api', '--no-watch']);
    proxy.write({ listeners: [{ name: 'in', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules: [] }] });
    proxy.peer.signal('SIGHUP');
    expect((await proxy.logged('configuration reloaded'))['listeners']).to.have.property('in');
    proxy.peer.signal('SIGTERM');
    expect(await proxy.peer.exit).to.equal(0);
  });

  it('ends the start with exit code 3 where another process has it', async () => {
    proxy = await ProxyProcess.start({ admin: { api: { port } } });
    const { code, stderr } = await runCommand('bin/l7mp', ['proxy', '-c', proxy.file]);
    expect(stderr).to.match(/^l7mp: admin\.api: expected to listen, found ADDRESS_IN_USE/mu);
    expect(code).to.equal(3);
  });

  it('is refused off loopback without a token', async () => {
    proxy = await ProxyProcess.start({ admin: { api: { port } } });
    proxy.write({ admin: { api: { address: '0.0.0.0', port: 0 } } });
    const { code, stderr } = await runCommand('bin/l7mp', ['proxy', '-c', proxy.file]);
    expect(stderr).to.match(/^l7mp: admin\.api: expected a token, or tls with client_certificate/mu);
    expect(code).to.equal(3);
  });
});
