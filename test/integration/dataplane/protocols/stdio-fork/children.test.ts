import { expect } from 'chai';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProxyProcess } from '../../../../support/command.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until, untilSteady } from '../../../../support/until.ts';

/** Whether a process lives; what is dead and not yet waited for doesn't. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe(`children of sessions, with ${versionOf('bash', '--version')} and ${versionOf('cat', '--version')}`, () => {
  let directory: string;
  let proxy: TestProxy | undefined;

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    rmSync(directory, { recursive: true });
  });

  async function start(spec: object): Promise<TestProxy> {
    proxy = await startProxy(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        { spec: { protocol: 'StdioFork', ...spec } },
        {},
        {
          options: { track: 10 },
        },
      ),
    );
    return proxy;
  }

  const script = (text: string, more: object = {}): Promise<TestProxy> =>
    start({ command: 'bash', args: ['-c', text], ...more });

  /** What a client is answered, until the end. */
  async function ask(text: string | Buffer = ''): Promise<Buffer> {
    const socket = connect({ port: proxy!.port('in'), host: '127.0.0.1', allowHalfOpen: true });
    socket.end(text);
    const chunks: Buffer[] = [];
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
      socket.on('end', () => resolve());
    });
    return Buffer.concat(chunks);
  }

  function open(): Socket {
    return connect({ port: proxy!.port('in'), host: '127.0.0.1' }).on('error', () => undefined);
  }

  async function reason(): Promise<string> {
    await until('the end of the session', () => proxy!.sessions()[0]?.status === 'DESTROYED');
    const [session] = proxy!.sessions();
    return `${session?.reason ?? ''}: ${session?.events.findLast(({ event }) => event === 'END')?.message ?? ''}`;
  }

  it('end with a proxy that is told a second time to end', async () => {
    const running = await ProxyProcess.start(
      relay(
        { protocol: 'TCP', address: '127.0.0.1', port: 0 },
        {
          spec: {
            protocol: 'StdioFork',
            command: 'bash',
            args: ['-c', 'trap "" TERM; echo $$; sleep 600 & wait; wait'],
          },
        },
      ),
    );
    const socket = connect({ port: running.port('in'), host: '127.0.0.1' });
    try {
      socket.on('error', () => undefined);
      const pid = await new Promise<number>((resolve) => socket.once('data', (line: Buffer) => resolve(Number(line))));
      running.peer.signal('SIGTERM');
      await running.peer.output(/drain/u);
      running.peer.signal('SIGTERM');
      expect(await running.peer.exit).to.equal(143);
      await until('the child to be gone', () => !lives(pid));
    } finally {
      socket.destroy();
      await running.stop();
    }
  });

  it('get what the client sends, and its end', async () => {
    const data = randomBytes(3_000_000);
    await start({ command: 'sha256sum' });
    expect((await ask(data)).toString().slice(0, 64)).to.equal(createHash('sha256').update(data).digest('hex'));
    expect(await reason()).to.match(/^OK/u);
  });

  it('answer with megabytes, however they are read', async () => {
    const data = randomBytes(3_000_000);
    await start({ command: 'cat' });
    expect((await ask(data)).equals(data)).to.equal(true);
  });

  it('are one for each session', async () => {
    await script('echo $$');
    const pids = await Promise.all([ask(), ask(), ask()]);
    expect(new Set(pids.map(String)).size).to.equal(3);
  });

  it('know their session, its metadata, their environment and directory', async () => {
    await script('echo "$L7MP_SESSION|$L7MP_METADATA|$GREETING|$PWD"', { env: { GREETING: 'hi' }, cwd: directory });
    const [session, metadata, greeting, cwd] = (await ask()).toString().trim().split('|');
    expect(session).to.match(/^TCP:127\.0\.0\.1:\d+-127\.0\.0\.1:\d+/u);
    expect(JSON.parse(metadata!)).to.include({ name: session });
    expect([greeting, cwd]).to.deep.equal(['hi', directory]);
  });

  it('get their arguments as they are, without a shell', async () => {
    await start({ command: 'printf', args: ['%s|', 'a b', '$HOME', '"; echo'] });
    expect((await ask()).toString()).to.equal('a b|$HOME|"; echo|');
  });

  it('say by their exit code what went wrong', async () => {
    await script('cat > /dev/null; echo partial; exit 3');
    expect((await ask('x')).toString()).to.equal('partial\n');
    expect(await reason()).to.equal('CHILD_EXITED: bash exited with status 3');
  });

  it('say by which signal they were ended', async () => {
    await script('kill -USR1 $$');
    await ask();
    expect(await reason()).to.equal('CHILD_EXITED: bash was ended by SIGUSR1');
  });

  for (const [what, spec, expected] of [
    ['is missing', { command: '/nonexistent' }, /^NOT_FOUND: starting \/nonexistent: spawn \/nonexistent ENOENT$/u],
    [
      'may not be run',
      { command: '/etc/passwd' },
      /^PERMISSION_DENIED: starting \/etc\/passwd: spawn \/etc\/passwd EACCES$/u,
    ],
    [
      'has no directory',
      { command: 'cat', cwd: '/nonexistent' },
      /^NOT_FOUND: starting cat: no directory \/nonexistent$/u,
    ],
  ] as const) {
    it(`refuse the session where the program ${what}`, async () => {
      await start(spec);
      await ask();
      expect(await reason()).to.match(expected);
    });
  }

  it('may end without reading what they are sent', async () => {
    await script('exec <&-; echo enough');
    expect((await ask(randomBytes(3_000_000))).toString()).to.equal('enough\n');
  });

  it('end with their session, and so do those whom they started', async () => {
    const pids = join(directory, 'pids');
    await script(`sleep 1000 & echo $! $$ > ${pids}; cat`);
    const client = open();
    await until('the child', () => existsSync(pids) && readFileSync(pids, 'utf8').endsWith('\n'));
    const numbers = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
    expect(numbers.map(lives)).to.deep.equal([true, true]);
    client.resetAndDestroy();
    await until('the end of the children', () => !numbers.some(lives));
  });

  it('are killed where they do not end in time, and so are those whom they started', async () => {
    const pids = join(directory, 'pids');
    // It tells of itself: before the trap is set it would end.
    const stubborn = `trap '' TERM; echo $$ > ${pids}; while :; do sleep 0.05; done`;
    writeFileSync(join(directory, 'stubborn'), stubborn);
    await script(`bash ${directory}/stubborn & cat`, { kill_timeout: 200 });
    const client = open();
    await until('the child', () => existsSync(pids) && readFileSync(pids, 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(pids, 'utf8'));
    client.resetAndDestroy();
    await until('the end of the session', () => proxy!.sessions()[0]?.status === 'DESTROYED');
    expect(lives(pid), 'it ignores SIGTERM').to.equal(true);
    await until('the end of the grandchild', () => !lives(pid));
  });

  it('are gone when the proxy has closed', async () => {
    const pids = join(directory, 'pids');
    await script(`trap '' TERM; echo $$ > ${pids}; while :; do sleep 0.05; done`, { kill_timeout: 300 });
    const client = open();
    await until('the child', () => existsSync(pids) && readFileSync(pids, 'utf8').endsWith('\n'));
    await proxy!.close();
    proxy = undefined;
    await until('the end of the child', () => !lives(Number(readFileSync(pids, 'utf8'))));
    client.destroy();
  });

  it('may write to standard error without end, which is no answer', async () => {
    for (const stderr of ['log', 'discard']) {
      await script('head -c 1000000 /dev/zero | tr "\\0" x >&2; echo done', { stderr });
      expect((await ask()).toString()).to.equal('done\n');
      await proxy!.close();
    }
  });

  it('stop when their answers are not read', async () => {
    const count = join(directory, 'count');
    await script(`for i in $(seq 2000); do head -c 65536 /dev/zero; echo $i > ${count}; done`);
    const client = open();
    client.pause();
    const written = (): number => (existsSync(count) ? Number(readFileSync(count, 'utf8')) : 0);
    expect(await untilSteady('what the child wrote', written)).to.be.below(1000);
    client.destroy();
  });

  it('talk to socat', async () => {
    await start({ command: 'tr', args: ['a-z', 'A-Z'] });
    const peer = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy!.port('in')}`]);
    peer.write('hello');
    peer.endInput();
    await peer.exit;
    expect(peer.stdout).to.equal('HELLO');
  });
});
