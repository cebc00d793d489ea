import { expect } from 'chai';
import { ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const config = (protocol: string): object => ({
  listeners: [
    {
      name: 'in',
      spec: { protocol, address: '127.0.0.1', port: 0 },
      rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
    },
  ],
});
const CONFIG = config('TCP');

describe(`draining, with ${versionOf('socat', '-V')} and ${versionOf('curl', '--version')}`, () => {
  let proxy: ProxyProcess;
  let client: Peer;

  async function start(...args: readonly string[]): Promise<void> {
    proxy = await ProxyProcess.start(CONFIG, args);
    client = new Peer('socat', ['-t', '3', '-', `TCP:127.0.0.1:${proxy.port()}`]);
    client.write('before\n');
    await client.output(/^before$/mu);
  }
  afterEach(async () => {
    await client.stop();
    await proxy.stop();
  });

  const probe = async (path: string): Promise<string> =>
    (await runCommand('curl', ['-s', '-w', ' %{http_code}', `${proxy.api}${path}`])).stdout.replace(/\s+/gu, ' ');
  const connects = async (): Promise<boolean> =>
    (await runCommand('socat', ['-u', '/dev/null', `TCP:127.0.0.1:${proxy.port()}`])).code === 0;

  it('takes no new session, is not ready, lets the running one go on, and ends with it', async () => {
    await start();
    expect([await probe('/ready'), await probe('/healthz')]).to.deep.equal(['ready 200', 'ok 200']);
    expect(await connects()).to.equal(true);
    await until('one session to be left', async () => (await proxy.sessions()).length === 1);

    proxy.peer.signal('SIGTERM');
    await until('the listener to close', async () => !(await connects()));
    expect([await probe('/ready'), await probe('/healthz')]).to.deep.equal(['not ready 503', 'ok 200']);
    expect(await proxy.logged('draining')).to.include({ level: 'info', signal: 'SIGTERM', sessions: 1 });
    client.write('while it drains\n');
    await client.output(/^while it drains$/mu);

    client.endInput();
    expect([await client.exit, await proxy.peer.exit]).to.deep.equal([0, 0]);
  });

  it('lets sessions of UDP go on, too, and takes no new ones', async () => {
    proxy = await ProxyProcess.start(config('UDP'));
    const to = `UDP:127.0.0.1:${proxy.port()}`;
    client = new Peer('socat', ['-t', '3', '-', to]);
    client.write('before\n');
    await client.output(/^before$/mu);

    proxy.peer.signal('SIGTERM');
    await proxy.logged('draining');
    const other = await runCommand('socat', ['-t', '0.5', '-', to], 'new\n');
    expect(other).to.deep.include({ code: 0, stdout: '', stderr: '' });
    client.write('while it drains\n');
    await client.output(/^while it drains$/mu);
  });

  it('answers the next request on a connection that it has kept, and says that it is the last', async () => {
    proxy = await ProxyProcess.start(config('HTTP'));
    client = new Peer('socat', ['-t', '0.1', '-', `TCP:127.0.0.1:${proxy.port()}`]);
    const ask = async (body: string): Promise<string> => {
      client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      const [text] = await client.output(new RegExp(`HTTP/1.1 200 OK(?:(?!HTTP)[^])*${body}\r\n0`, 'u'));
      return text;
    };
    expect(await ask('before')).to.not.include('connection: close');

    proxy.peer.signal('SIGTERM');
    await proxy.logged('draining');
    expect((await proxy.sessions()).filter(({ status }) => status !== 'DESTROYED')).to.deep.equal([]);
    expect(await ask('last')).to.include('connection: close');
    expect([await client.exit, await proxy.peer.exit]).to.deep.equal([0, 0]);
  });

  it('is over after --drain-timeout: what runs then is cut', async () => {
    await start('--drain-timeout', '100');
    proxy.peer.signal('SIGINT');
    expect(await proxy.peer.exit).to.equal(0);
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`is over at once with a second signal: ${signal} gives exit code ${code}`, async () => {
      await start();
      proxy.peer.signal(signal);
      await proxy.logged('draining');
      proxy.peer.signal(signal);
      expect(await proxy.peer.exit).to.equal(code);
    });
  }

  it('writes of the sessions that were cut, too', async () => {
    const admin = { access_log_path: 'stdout', access_log_format: '%LISTENER% %BYTES_IN% %REASON%', api: { port: 0 } };
    proxy = await ProxyProcess.start({ ...CONFIG, admin }, ['--drain-timeout', '0']);
    client = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port()}`]);
    client.write('abc');
    await client.output(/abc/u);
    proxy.peer.signal('SIGTERM');
    expect(await proxy.peer.exit).to.equal(0);
    expect(proxy.peer.stdout).to.equal('in 3 DRAINED\n');
  });
});
