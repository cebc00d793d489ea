import { expect } from 'chai';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const HTTP = {
  listeners: [
    {
      name: 'web',
      spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
      rules: [{ action: { route: { destination: { name: 'back', spec: { protocol: 'Echo' } } } } }],
    },
    {
      name: 'guarded',
      spec: { protocol: 'TCP', address: '127.0.0.1', port: 0, proxy_protocol: 'required' },
      rules: [{ action: { route: { destination: 'back' } } }],
    },
  ],
};

describe(`logs of a running proxy, with ${versionOf('curl', '--version')}`, () => {
  let proxy: ProxyProcess;
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(async () => {
    await proxy.stop();
    rmSync(directory, { recursive: true });
  });

  const start = async (admin: object, ...args: readonly string[]): Promise<void> => {
    proxy = await ProxyProcess.start({ ...HTTP, admin: { api: { port: 0 }, ...admin } }, args);
  };
  const post = (...args: readonly string[]): Promise<unknown> =>
    runCommand('curl', ['-sS', '-d', 'hello', ...args, `http://127.0.0.1:${proxy.port('web')}/a?b=c`]);

  for (const [format, pattern] of [
    ['text', /^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] HTTP:\S+ web -> back\/back OK in=5 out=5 \d+ms "POST \/a" 200 trace=-\n$/u],
    [
      '%SOURCE% "%{/HTTP/method}% %{/HTTP/url/path}%?%{/HTTP/url/query}%" "%{/HTTP/headers/user-agent}%" %BYTES_IN% %NONE%',
      /^127\.0\.0\.1:\d+ "POST \/a\?b=c" "a\\x22b" 5 %NONE%\n$/u,
    ],
  ] as const) {
    it(`writes access log lines as ${format}`, async () => {
      await start({ access_log_path: 'stdout', access_log_format: format });
      await post('-A', 'a"b');
      await proxy.peer.output(/\n/u);
      expect(proxy.peer.stdout).to.match(pattern);
    });
  }

  for (const version of ['--http1.1', '--http2-prior-knowledge']) {
    it(`tells what an HTTP client asked, and how it was answered, ${version}`, async () => {
      const nobody = {
        action: { route: { destination: { spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] } } },
      };
      const listeners = [
        {
          ...HTTP.listeners[0],
          rules: [
            { match: { op: 'test', path: '/HTTP/method', value: 'PUT' }, ...nobody },
            ...HTTP.listeners[0]!.rules,
          ],
        },
      ];
      const format = '%METHOD% %PATH% %HTTP_STATUS%';
      proxy = await ProxyProcess.start({
        ...HTTP,
        listeners,
        admin: { api: { port: 0 }, access_log_path: 'stdout', access_log_format: format },
      });
      await post(version);
      await proxy.peer.output(/^POST \/a 200$/mu);
      await post(version, '-X', 'PUT');
      await proxy.peer.output(/^PUT \/a 502$/mu);
    });
  }

  const refusals: Record<string, [sent: string, code: string]> = {
    'is not HTTP': ['hello\r\n\r\n', 'PROTOCOL_ERROR'],
    'has too large a head': [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 'TOO_LARGE'],
    'does not come in time': ['GET / HT', 'IDLE_TIMEOUT'],
  };
  for (const [what, [sent, code]] of Object.entries(refusals)) {
    it(`tells, and counts, that a request ${what}`, async () => {
      // The others must come in time, however slow the machine is.
      const limits = { header_timeout: code === 'IDLE_TIMEOUT' ? 200 : 10_000, max_header_bytes: 16_384 };
      const spec = { ...HTTP.listeners[0]!.spec, ...limits };
      const listeners = [{ ...HTTP.listeners[0], name: 'strict', spec }];
      proxy = await ProxyProcess.start({ ...HTTP, listeners, admin: { api: { port: 0 } } });
      const client = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('strict')}`]);
      try {
        client.write(sent);
        await proxy.peer.output(new RegExp(`"level":"info".*"listener":"strict".*"code":"${code}"`, 'u'));
        const { stdout } = await runCommand('curl', ['-s', `${proxy.api}/metrics`]);
        expect(stdout).to.match(
          new RegExp(`^l7mp_sessions_refused_total\\{listener="strict",reason="${code}"[^}]*\\} 1`, 'mu'),
        );
      } finally {
        await client.stop();
      }
    });
  }

  it('writes access log lines as JSON where nothing else is asked for', async () => {
    await start({ access_log_path: 'stdout' });
    await post();
    await proxy.peer.output(/\n/u);
    expect(JSON.parse(proxy.peer.stdout)).to.include({
      listener: 'web',
      cluster: 'back',
      bytes_in: 5,
      bytes_out: 5,
      reason: 'OK',
    });
  });

  it('opens its files anew at SIGHUP, after a rotation', async () => {
    const log = join(directory, 'access.log');
    await start({ access_log_path: log, access_log_format: '%{/HTTP/method}%' });
    await post();
    await until('the line', () => existsSync(log) && readFileSync(log, 'utf8') === 'POST\n');
    renameSync(log, `${log}.1`);
    proxy.peer.signal('SIGHUP');
    await proxy.logged('configuration reloaded');
    await post('-X', 'PUT');
    await until('the line in the new file', () => existsSync(log) && readFileSync(log, 'utf8') === 'PUT\n');
    expect(readFileSync(`${log}.1`, 'utf8')).to.equal('POST\n');
  });

  it('writes what its level lets through, -l being above the configuration', async () => {
    const levels = (): Set<string> => new Set(proxy.log().map(({ level }) => level));
    // Whoever only knocks is worth a line for debugging.
    const knock = () => runCommand('socat', ['-u', '/dev/null', `TCP:127.0.0.1:${proxy.port('guarded')}`]);
    await start({ log_level: 'silent' }, '-l', 'debug');
    await knock();
    await until('a line for debugging', () => levels().has('debug'));
    await proxy.stop();
    await start({ log_level: 'debug' }, '-l', 'info');
    await knock();
    proxy.write('clutsers: []');
    await until('a fault', () => levels().has('error'));
    expect([...levels()]).to.have.members(['info', 'error']);
    const shown = await proxy.get('/api/v1/admin');
    expect(JSON.parse(shown.text)).to.include({ log_level: 'info' });

    const body = ['-d', '{"admin":{"log_level":"silent"}}', '-H', 'content-type: application/json'];
    await runCommand('curl', ['-sS', ...body, `${proxy.api}/api/v1/admin`]);
    const before = proxy.log().length;
    proxy.peer.signal('SIGHUP');
    proxy.peer.signal('SIGTERM');
    await proxy.peer.exit;
    expect(proxy.log().slice(before)).to.deep.equal([]);
  });
});
