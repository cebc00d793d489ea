import { expect } from 'chai';
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { until, untilSteady } from '../../../../support/until.ts';

const run = promisify(execFile);

interface Ready {
  readonly listeners: Readonly<Record<string, string>>;
  readonly api: string;
}

interface Shown {
  readonly name: string;
  readonly status: string;
  readonly reason?: string;
}

const STDIO = { protocol: 'Stdio' };
const TCP = { protocol: 'TCP', address: '127.0.0.1', port: 0 };

/** A listener whose sessions go to a cluster. */
const listener = (name: string, spec: object): object => ({
  name,
  spec,
  rules: [{ action: { route: { destination: 'out' } } }],
  options: { track: 20 },
});

describe(`Standard input and output of bin/l7mp, with ${versionOf('socat', '-V')} and ${versionOf('curl', '--version')}`, () => {
  let directory: string;
  let child: ChildProcessByStdio<Writable, Readable, Readable>;
  let ready: Ready;
  let said = '';

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    rmSync(directory, { recursive: true });
  });

  function spawnProxy(config: object): void {
    const file = join(directory, 'l7mp.json');
    writeFileSync(file, JSON.stringify({ admin: { api: { port: 0 } }, ...config }));
    said = '';
    child = spawn('bin/l7mp', ['proxy', '-c', file], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined); // it may have closed it
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  }
  async function start(config: object): Promise<void> {
    spawnProxy(config);
    await until('its start', () => said.includes('"msg":"ready"'));
    ready = JSON.parse(/^\{.*"msg":"ready".*$/mu.exec(said)?.[0] ?? '{}') as Ready;
  }
  const get = async (path: string): Promise<string> =>
    (await run('curl', ['-sS', '--fail', '--max-time', '5', `http://${ready.api}${path}`])).stdout;
  /** Waits until all sessions have ended. */
  async function ended(count = 1): Promise<Shown[]> {
    let sessions: Shown[] = [];
    await until('the end of the sessions', async () => {
      sessions = JSON.parse(await get('/api/v1/sessions')) as Shown[];
      return sessions.length >= count && sessions.every(({ status }) => status === 'DESTROYED');
    });
    return sessions;
  }

  it('are a session from the start; it ends, and the proxy runs on', async () => {
    const upper = { spec: { protocol: 'StdioFork', command: 'tr', args: ['a-z', 'A-Z'] } };
    await start({ listeners: [listener('in', STDIO)], clusters: [{ name: 'out', ...upper }] });
    expect(ready.listeners).to.deep.equal({ in: 'stdio' });
    let answer = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    child.stdin.end('hello');
    const sessions = await ended();
    expect(sessions).to.have.length(1);
    expect(sessions[0]).to.include({ name: 'Stdio:in', reason: 'OK' });
    await until('the answer', () => answer === 'HELLO');
    expect(await get('/ready')).to.match(/^ready/u);
  });

  it('carry megabytes, there and back', async () => {
    await start({ listeners: [listener('in', STDIO)], clusters: [{ name: 'out', spec: { protocol: 'Echo' } }] });
    const data = randomBytes(3_000_000);
    const hash = createHash('sha256');
    let length = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      length += chunk.length;
    });
    child.stdin.end(data);
    await until('all of it', () => length >= data.length);
    expect(hash.digest('hex')).to.equal(createHash('sha256').update(data).digest('hex'));
    expect((await ended())[0]).to.include({ reason: 'OK' });
  });

  it('are answered by a cluster, for one session at a time', async () => {
    await start({ listeners: [listener('in', TCP)], clusters: [{ name: 'out', spec: STDIO }] });
    const client = new Peer('socat', ['-t', '5', '-', `TCP:${ready.listeners['in'] ?? ''}`]);
    client.write('question\n');
    const [question] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    expect(question).to.equal('question\n');
    const second = new Peer('socat', ['-t', '5', '-', `TCP:${ready.listeners['in'] ?? ''}`]);
    second.endInput();
    expect(await second.exit).to.equal(0);
    child.stdin.write('answer\n');
    await client.output(/^answer$/mu);
    client.endInput();
    child.stdin.end('the last\n');
    expect(await client.exit).to.equal(0);
    expect(client.stdout).to.equal('answer\nthe last\n');
    expect((await ended(2)).map(({ reason }) => reason).sort()).to.deep.equal(['LIMIT_EXCEEDED', 'OK']);
  });

  it('hold a session back while nobody reads, and nothing else', async () => {
    await start({ listeners: [listener('in', TCP)], clusters: [{ name: 'out', spec: STDIO }] });
    const data = randomBytes(20_000_000);
    const [host, port] = (ready.listeners['in'] ?? '').split(':');
    const client = connect(Number(port), host);
    client.on('error', () => undefined); // where the test fails, it is cut
    let sent = 0;
    for (let at = 0; at < data.length; at += 50_000) {
      client.write(data.subarray(at, at + 50_000), () => (sent += 50_000));
    }
    client.end();
    // What was taken stands still when the proxy, its sockets and the pipe are full.
    await untilSteady('what was taken', () => sent);
    expect(await get('/ready')).to.match(/^ready/u);
    expect(sent).to.be.below(data.length);
    const hash = createHash('sha256');
    let length = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      length += chunk.length;
    });
    await until('all of it', () => length >= data.length);
    expect(hash.digest('hex')).to.equal(createHash('sha256').update(data).digest('hex'));
    client.destroy();
  });

  it('end the session whose reader goes away, and no more', async () => {
    await start({ listeners: [listener('in', TCP)], clusters: [{ name: 'out', spec: STDIO }] });
    child.stdout.destroy();
    await once(child.stdout, 'close');
    const client = new Peer('socat', ['-t', '5', '-', `TCP:${ready.listeners['in'] ?? ''}`]);
    client.write('for nobody\n');
    expect((await ended())[0]).to.include({ reason: 'PEER_RESET' });
    await client.stop();
    expect(await get('/ready')).to.match(/^ready/u);
  });

  it('are refused to a second listener', async () => {
    spawnProxy({
      listeners: [listener('in', STDIO), listener('again', STDIO)],
      clusters: [{ name: 'out', spec: { protocol: 'Echo' } }],
    });
    child.stdin.end();
    const [out] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect(out).to.equal('');
    expect(child.exitCode).not.to.equal(0);
    expect(said).to.contain(
      'listeners.again: expected to listen, found LIMIT_EXCEEDED: another session has standard input',
    );
  });
});
