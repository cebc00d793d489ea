/** `l7mp tap` as its users run it: what it shows, what it keeps to itself, and how it ends. */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataRecord, TapRecord } from '../../../dataplane/taps/records.ts';
import { endTap, startTap, tapsOf } from '../../support/capture.ts';
import { l7mp, ProxyProcess, runCommand } from '../../support/command.ts';
import { Peer, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const local = { address: '127.0.0.1', port: 0 };
const echo = { rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }] };
const CONFIG = {
  listeners: [
    { name: 'tcp', spec: { protocol: 'TCP', ...local }, ...echo },
    { name: 'web', spec: { protocol: 'HTTP', ...local }, ...echo },
    {
      name: 'api',
      spec: { protocol: 'HTTP', ...local },
      rules: [{ action: { route: { destination: { spec: { protocol: 'L7mpController' } } } } }],
    },
  ],
};

describe(`l7mp tap, with ${versionOf('curl', '--version')} and ${versionOf('socat', '-V')}`, () => {
  let proxy: ProxyProcess;
  let directory: string;
  const peers: Peer[] = [];

  const start = async (admin: object = {}): Promise<void> => {
    proxy = await ProxyProcess.start({ ...CONFIG, admin: { api: { port: 0 }, ...admin } });
  };
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    await start();
  });
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
    await proxy.stop();
    rmSync(directory, { recursive: true });
  });

  const tap = async (name: string, ...args: string[]): Promise<Peer> => {
    const peer = await startTap(proxy, name, ...args);
    peers.push(peer);
    return peer;
  };
  const client = async (text: string): Promise<Peer> => {
    const peer = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port('tcp')}`]);
    peers.push(peer);
    peer.write(text);
    await peer.output(new RegExp(text.trim(), 'u'));
    return peer;
  };
  const curl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand('curl', ['-s', ...args]);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const recordsOf = (text: string): TapRecord[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as TapRecord);
  const payloads = (records: readonly TapRecord[]): (string | undefined)[] =>
    records.filter((record): record is DataRecord => record.type === 'data').map(({ payload }) => payload);

  it('shows text, and what is no text in hexadecimal digits; nothing writes to the terminal', async () => {
    const shown = await tap('tcp');
    const peer = await client('hello\n');
    peer.write(Buffer.from([0x1b, 0x5b, 0x32, 0x4a]));
    await shown.output(/1b 5b 32 4a +\|\.\[2J\|/u);
    peer.endInput();
    await peer.exit;
    await shown.output(/closed: OK/u);
    expect(await endTap(shown)).to.match(/its client ended it: 4 messages with 20 B, of 1 sessions\n$/u);
    const lines = shown.stdout.split('\n').map((line) => line.replace(/^[\d:.]{12} /u, ''));
    expect(lines.slice(1, 5)).to.deep.equal(['#1 -> 6 bytes', '    hello', '#1 <- 6 bytes', '    hello']);
    expect(lines[0]).to.match(
      /^#1 session TCP:.*, listener tcp to cluster .*; client 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+$/u,
    );
    expect(shown.stdout).to.not.contain('\x1b');
  });

  it('writes a file of JSON that nobody else reads, of a session by its name', async () => {
    const peer = await client('before');
    const [{ name } = { name: '' }] = await proxy.sessions();
    const file = join(directory, 'tap.json');
    const shown = await tap(name, '--json', '-o', file, '--direction', 'in');
    await client('another session');
    peer.write('after');
    await peer.output(/after/u);
    peer.endInput();
    expect(await shown.exit, shown.stderr).to.equal(0);
    const records = recordsOf(readFileSync(file, 'utf8'));
    expect(records.map(({ type }) => type)).to.deep.equal(['start', 'session', 'data', 'end', 'close', 'stop']);
    expect(payloads(records)).to.deep.equal(['after']);
    expect(records[1]).to.include({ session: name, joined: true });
    expect(records.at(-1)).to.include({ reason: 'its session has ended' });
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('overwrites no file that holds something, unless it is told to, and then not before the tap has begun', async () => {
    const file = join(directory, 'tap.json');
    writeFileSync(file, 'an earlier capture');
    const ask = (...args: string[]) => l7mp(['tap', ...args, '-o', file, '--json', '--api', proxy.api]);
    const { code, stderr } = await ask('tcp');
    expect([code, stderr]).to.deep.equal([
      2,
      `l7mp: --output: expected a new file, or --force, found ${JSON.stringify(file)}, which holds something\n`,
    ]);
    expect((await ask('tcp', '--force', '--seconds', '1000000')).code).to.equal(4);
    expect(readFileSync(file, 'utf8')).to.equal('an earlier capture');
    const shown = await tap('tcp', '--json', '-o', file, '--force');
    await endTap(shown);
    const records = recordsOf(readFileSync(file, 'utf8'));
    expect(records.map(({ type }) => type)).to.deep.equal(['start', 'stop']);
    expect(records[1]).to.include({ reason: 'its client ended it' });
    expect(await proxy.logged('a tap has ended')).to.include({ audit: true, reason: 'its client ended it' });
  });

  it('ends after so many messages, and after so long', async () => {
    const count = await tap('tcp', '--count', '2', '--json');
    const seconds = await tap('tcp', '--seconds', '1', '--json');
    await client('one');
    expect([await count.exit, await seconds.exit]).to.deep.equal([0, 0]);
    expect(recordsOf(count.stdout).at(-1)).to.include({ reason: '2 messages have passed', messages: 2 });
    expect(recordsOf(seconds.stdout).at(-1)).to.include({ reason: '1 s are over' });
    expect(await tapsOf(proxy)).to.deep.equal([]);
  });

  it('shows sessions that match, and redacts', async () => {
    const match = '{op: prefix, path: /HTTP/url/path, value: /api}';
    const redact = ['--redact', 'X-Key', '--redact', '/HTTP/url/query', '--redact', 'payload:/pin'];
    const shown = await tap('web', '--json', '--match', match, ...redact);
    const url = `http://127.0.0.1:${proxy.port('web')}`;
    await curl('-d', '{"pin":1}', `${url}/other`);
    await curl('-H', 'X-Key: hidden', '-b', 'a=hidden', '-d', '{"pin":1234,"name":"joe"}', `${url}/api/a?t=hidden`);
    await curl('-d', 'pin=hidden', `${url}/api/b`);
    await endTap(shown);
    const records = recordsOf(shown.stdout);
    expect(records.filter(({ type }) => type === 'session')).to.have.length(2);
    expect(new Set(payloads(records))).to.deep.equal(new Set(['{"pin":"<REDACTED>","name":"joe"}', undefined]));
    expect(shown.stdout).to.not.contain('hidden').and.not.contain('1234');
    const open = await tap('web', '--json', '--show-secrets');
    await curl('-b', 'a=shown', `${url}/`);
    await endTap(open);
    expect(open.stdout).to.contain('a=shown');
  });

  it('drops what a slow reader leaves, and says so; traffic goes on', async () => {
    await proxy.stop();
    await start({ taps: { queue_bytes: 65_536 } });
    const shown = await tap('tcp', '--json');
    shown.signal('SIGSTOP');
    const total = 64 * 1024 * 1024;
    const socket = connect(proxy.port('tcp'), '127.0.0.1');
    let received = 0;
    socket.on('data', (chunk) => (received += chunk.length));
    socket.end(Buffer.alloc(total, 'x'));
    await until('all of it to come back', () => received === total);
    socket.destroy();
    const [state] = await tapsOf(proxy);
    expect(state?.dropped.messages).to.be.above(0);
    shown.signal('SIGCONT');
    expect(await endTap(shown)).to.match(/; \d+ records with [\d.]+ MB were dropped\n$/u);
    const records = recordsOf(shown.stdout);
    const seen = records.filter((record): record is DataRecord => record.type === 'data');
    const lost = records.filter((record) => record.type === 'dropped').reduce((sum, { bytes }) => sum + bytes, 0);
    expect(lost).to.be.above(0);
    for (const direction of ['in', 'out'] as const) {
      let end = 0;
      for (const { offset, length } of seen.filter((record) => record.direction === direction)) {
        expect(offset).to.be.at.least(end);
        end = offset + length;
      }
    }
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`leaves nothing in the proxy when it ends by ${signal}`, async () => {
      const shown = await tap('tcp');
      shown.signal(signal);
      await shown.exit;
      await until('no tap', async () => (await tapsOf(proxy)).length === 0);
      await client('still');
      expect((await proxy.logged('a tap has ended')).reason).to.match(/its reader has gone|its client ended it/u);
    });
  }

  it('ends with an error when the proxy goes away, and in order when that stops in order', async () => {
    const shown = await tap('tcp');
    proxy.peer.signal('SIGTERM');
    expect(await shown.exit).to.equal(0);
    expect(shown.stderr).to.contain('the proxy is stopping');
    await proxy.stop();
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    await start();
    const other = await tap('tcp');
    proxy.peer.signal('SIGKILL');
    expect(await other.exit).to.equal(4);
  });

  it('never shows itself, where the API is behind the listener that it looks at', async () => {
    const api = `http://127.0.0.1:${proxy.port('api')}`;
    const shown = new Peer((await import('../../support/command.ts')).L7MP, ['tap', 'api', '--json', '--api', api]);
    peers.push(shown);
    await until('the tap', async () => (await tapsOf(proxy)).length === 1);
    await curl(`${api}/ready`);
    await until('the request', () => shown.stdout.includes('"/ready"'));
    await endTap(shown);
    const sessions = recordsOf(shown.stdout).filter(({ type }) => type === 'session');
    expect(JSON.stringify(sessions)).to.contain('/ready');
    // The request that ends it is the last that it may show.
    expect(sessions.length).to.be.at.most(2);
    expect(JSON.stringify(sessions)).to.not.contain('"POST"');
  });

  it('is told in the log, with who asked, what for, and how much was seen', async () => {
    const shown = await tap('tcp', '--count', '2', '--redact', 'X-Key');
    await client('hello');
    await shown.exit;
    const begun = await proxy.logged('a tap was started');
    expect(begun).to.deep.include({ level: 'info', audit: true, tap: 1 });
    expect(begun['remote']).to.match(/^127\.0\.0\.1:\d+$/u);
    expect(begun['request']).to.deep.include({ listener: 'tcp', count: 2, redact: ['X-Key'], secrets: false });
    expect(await proxy.logged('a tap has ended')).to.deep.include({
      audit: true,
      tap: 1,
      messages: 2,
      bytes: 10,
      sessions: 1,
    });
  });

  for (const [what, admin, args, code, message] of [
    [
      'a name that nobody has',
      {},
      ['nobody'],
      4,
      /expected the name of a listener or of a session .*, found "nobody"/u,
    ],
    [
      'a wrong predicate',
      {},
      ['tcp', '--match', '{op: starts}'],
      4,
      /match.path: expected a JSON pointer.*match.value/u,
    ],
    ['a predicate that is no YAML', {}, ['tcp', '--match', '{op: '], 2, /--match: expected/u],
    ['a proxy that allows none', { taps: 'off' }, ['tcp'], 4, /403 .*found admin.taps.allow: off/u],
    ['more than may last', { taps: { max_seconds: 5 } }, ['tcp'], 4, /seconds: expected at most 5/u],
    ['a file that can not be written', {}, ['tcp', '-o', '/nonexistent/file'], 1, /no such file/u],
  ] as const) {
    it(`fails for ${what}`, async () => {
      await proxy.stop();
      await start(admin);
      const result = await l7mp(['tap', ...args, '--api', proxy.api]);
      expect(result.stderr).to.match(message);
      expect(result.code).to.equal(code);
      expect(await tapsOf(proxy)).to.deep.equal([]);
    });
  }
});
