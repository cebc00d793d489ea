import { expect } from 'chai';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { L7MP, l7mp, ProxyProcess, runCommand } from '../../support/command.ts';

const echo = { rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }] };
const unixListener = (filename: string): object => ({
  admin: { api: { port: 0 } },
  listeners: [{ name: 'in', spec: { protocol: 'UnixDomainSocket', filename }, ...echo }],
});

/** Loaded into the process, it has the system refuse what comes after the proxy was made. */
const REFUSAL = `
  const { on } = process;
  process.on = function (event, ...rest) {
    if (event !== 'SIGHUP') return on.call(this, event, ...rest);
    throw Object.assign(new Error('uv_signal_start EINVAL'), { code: 'EINVAL', syscall: 'uv_signal_start' });
  };
`;

describe('l7mp proxy', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    file = join(directory, 'l7mp.yaml');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('closes what it has opened where its start fails behind that, and says why in one line', async () => {
    const socket = join(directory, 'socket');
    writeFileSync(file, JSON.stringify(unixListener(socket)));
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(REFUSAL)}` };
    const { code, stderr } = await l7mp(['proxy', '-c', file], '', env);
    expect(stderr.split('\n').filter((line) => !line.startsWith('{'))).to.deep.equal([
      'l7mp: uv_signal_start EINVAL',
      '',
    ]);
    expect(code).to.equal(1);
    expect(existsSync(socket)).to.equal(false);
  });

  it('ends where its start fails, whatever a plugin has left open', async () => {
    const plugin = join(directory, 'plugin.mjs');
    writeFileSync(
      plugin,
      'setInterval(() => {}, 1000); export const protocol = { name: "Late", listener() { throw new Error("no"); } };',
    );
    writeFileSync(file, JSON.stringify({ listeners: [{ name: 'in', spec: { protocol: 'Late' }, rules: [] }] }));
    const { code, stderr } = await l7mp(['proxy', '--no-api', '-c', file, '--plugin', plugin]);
    expect(stderr).to.match(/^l7mp: listeners\.in: expected .*found INTERNAL: protocol Late: listener: no$/mu);
    expect(code).to.equal(3);
  });

  for (const [name, redirect, path] of [
    ['standard input', 'exec', '-'],
    ['a pipe, as <(command) is one', 'exec 9', '/dev/fd/9'],
  ] as const) {
    it(`reads its configuration from ${name}, once, and says that it does not watch it`, async () => {
      const config = JSON.stringify(unixListener(join(directory, 'socket')));
      const proxy = await ProxyProcess.start({}, ['-c', path], `${redirect}< <(echo '${config}');`);
      try {
        const [unwatched] = proxy.log().filter(({ msg }) => msg.includes('is not watched'));
        expect(unwatched).to.include({ level: 'info', file: path });
        proxy.peer.signal('SIGHUP');
        const again = 'the configuration cannot be read again: it came from standard input or a pipe';
        expect(await proxy.logged(again)).to.include({ level: 'warn', file: path });
        expect((await proxy.get('/api/v1/listeners')).text).to.contain(join(directory, 'socket'));
      } finally {
        await proxy.stop();
      }
    });
  }

  it('does not speak of watching where --no-watch asks for none', async () => {
    const config = JSON.stringify({ admin: { api: { port: 0 } } });
    const proxy = await ProxyProcess.start({}, ['--no-watch', '-c', '-'], `exec < <(echo '${config}');`);
    try {
      expect(proxy.log().filter(({ msg }) => msg.includes('watched'))).to.deep.equal([]);
    } finally {
      await proxy.stop();
    }
  });

  it('refuses a bad configuration from standard input with its lines, and one of which nothing came', async () => {
    const bad = await l7mp(['proxy', '-c', '-'], 'admin: {}\nlisteners: 7\n');
    expect(bad.stderr).to.match(/^standard input:2: listeners: expected .*$/mu);
    expect(bad.code).to.equal(3);
    const none = await runCommand('bash', ['-c', `false | '${L7MP}' proxy -c -`]);
    expect(none.stderr).to.equal(
      'standard input: configuration: expected a configuration, or {} for none, found an empty file\n',
    );
    expect(none.code).to.equal(3);
  });
});
