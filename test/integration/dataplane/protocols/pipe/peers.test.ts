import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectIdle } from '../../../../support/idle.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { inSocketDirectory } from '../../../../support/socket-directory.ts';
import { until } from '../../../../support/until.ts';

const echo = { spec: { protocol: 'Echo' } };

describe(`named pipes, with ${versionOf('cat', '--version')} and ${versionOf('bash', '--version')}`, () => {
  let directory: string;
  let path: string;
  let reply: string;

  inSocketDirectory((made) => {
    directory = made;
    path = join(directory, 'in.fifo');
    reply = join(directory, 'out.fifo');
  });

  const listener = (): object => ({ protocol: 'Pipe', path, reply_path: reply });

  async function shell(script: string): Promise<string> {
    const peer = new Peer('bash', ['-c', script]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout;
  }

  it('are made where they are missing, and answer what is written', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    expect(statSync(path).isFIFO()).to.equal(true);
    expect(await shell(`cat ${reply} & echo hello > ${path}; wait`)).to.equal('hello\n');
    await proxy.close();
  });

  it('begin a session for each writer', async () => {
    const proxy = await startProxy(relay(listener(), echo, {}, { options: { track: 10 } }));
    for (let round = 0; round < 10; round++) {
      expect(await shell(`cat ${reply} & echo ${round} > ${path}; wait`)).to.equal(`${round}\n`);
    }
    await until('the end of all sessions', () => proxy.sessions().every(({ status }) => status === 'DESTROYED'));
    expect(proxy.sessions().map(({ name, reason }) => `${name} ${reason ?? ''}`)).to.deep.equal(
      Array.from({ length: 10 }, (_, index) => `Pipe:in-${index} OK`),
    );
    await proxy.close();
  });

  it('carry megabytes, whoever is slow', async () => {
    const data = randomBytes(5_000_000);
    const file = join(directory, 'data');
    writeFileSync(file, data);
    const proxy = await startProxy(relay(listener(), echo));
    const writer = new Peer('bash', ['-c', `cat ${file} > ${path}`]);
    await until('the session', () => proxy.sessions().length === 1); // nobody reads its answer yet
    const said = await shell(`cat ${reply} | sha256sum`);
    expect(await writer.exit).to.equal(0);
    expect(said.slice(0, 64)).to.equal(createHash('sha256').update(data).digest('hex'));
    await proxy.close();
  });

  it('begin a session with a writer that says nothing yet', async () => {
    const proxy = await startProxy(
      relay(listener(), { spec: { protocol: 'StdioFork', command: 'echo', args: ['first'] } }),
    );
    expect(await shell(`exec 3> ${path}; cat ${reply}; exec 3>&-`)).to.equal('first\n');
    await proxy.close();
  });

  it('lose nothing that is written between two sessions', async () => {
    const file = join(directory, 'log');
    const proxy = await startProxy(
      relay(
        { protocol: 'Pipe', path },
        { spec: { protocol: 'StdioFork', command: 'sh', args: ['-c', `cat >> ${file}`] } },
      ),
    );
    await shell(`for i in $(seq 200); do echo $i > ${path}; done`);
    const expected = Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join('');
    await until('the end of all sessions', () => proxy.sessions().length === 0);
    expect(readFileSync(file, 'utf8')).to.equal(expected);
    await proxy.close();
  });

  it('are closed where a session is refused, so that its writer is told', async () => {
    const proxy = await startProxy(relay({ protocol: 'Pipe', path }, { spec: { protocol: 'Pipe', path: directory } }));
    expect(await shell(`yes > ${path}; echo $?`)).to.equal('141\n'); // SIGPIPE
    await proxy.close();
  });

  it('block no thread, however many wait', async () => {
    const names = Array.from({ length: 12 }, (_, index) => join(directory, `${index}.fifo`));
    const proxy = await startProxy({
      listeners: names.map((name, index) => ({
        name: `l${index}`,
        spec: { protocol: 'Pipe', path: name },
        rules: [{ action: { route: { destination: 'echo' } } }],
      })),
      clusters: [{ name: 'echo', ...echo }],
    });
    // It takes a thread of the pool: were they stuck, it would not come back.
    await lookup('localhost');
    await proxy.close();
  });

  it('do not turn while nobody writes', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    await shell(`cat ${reply} & echo x > ${path}; wait`);
    await until('the end of the session', () => proxy.sessions().length === 0);
    await expectIdle();
    await proxy.close();
  });

  it('are made again where they were removed', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    unlinkSync(path);
    await until('the pipe', () => existsSync(path));
    expect(await shell(`cat ${reply} & echo hello > ${path}; wait`)).to.equal('hello\n');
    await proxy.close();
  });

  it('leave other files alone', async () => {
    writeFileSync(path, 'precious');
    const refused = await startProxy(relay(listener(), echo)).catch(String);
    expect(refused).to.contain(`ADDRESS_IN_USE: expected a named pipe or nothing at ${path}, found another file`);
    expect(readFileSync(path, 'utf8')).to.equal('precious');
  });

  it('may be reached by a link', async () => {
    execFileSync('mkfifo', [join(directory, 'real.fifo')]);
    symlinkSync(join(directory, 'real.fifo'), path);
    const proxy = await startProxy(relay(listener(), echo));
    expect(await shell(`cat ${reply} & echo hello > ${path}; wait`)).to.equal('hello\n');
    await proxy.close();
  });

  const socket = (): string => join(directory, 'socket');
  const client = (): string => `socat -t 5 - UNIX-CONNECT:${socket()}`;
  const throughCluster = (cluster: object): Promise<Awaited<ReturnType<typeof startProxy>>> =>
    startProxy(
      relay(
        { protocol: 'UnixDomainSocket', filename: socket() },
        { spec: { protocol: 'Pipe', ...cluster } },
        {},
        {
          options: { track: 10 },
        },
      ),
    );

  it('are written and read by a cluster, half-close included', async () => {
    const proxy = await throughCluster({ path, reply_path: reply });
    expect(
      await shell(`mkfifo ${path} ${reply}; (tr a-z A-Z < ${path} > ${reply}) & echo hello | ${client()}; wait`),
    ).to.equal('HELLO\n');
    await proxy.close();
  });

  it('end for a cluster whose answer was opened and closed without a byte', async () => {
    const proxy = await throughCluster({ path, reply_path: reply });
    await shell(`mkfifo ${path} ${reply}`);
    for (let round = 0; round < 20; round++) {
      expect(await shell(`(: < ${path} > ${reply}) & ${client()} < /dev/null; wait`)).to.equal('');
    }
    await until('the end of all sessions', () => proxy.sessions().every(({ status }) => status === 'DESTROYED'));
    await proxy.close();
  }).timeout(60_000);

  it('are only written by a cluster without a reply path', async () => {
    const proxy = await throughCluster({ path });
    expect(await shell(`mkfifo ${path}; cat < ${path} & echo hello | ${client()}; wait`)).to.equal('hello\n');
    await proxy.close();
  });

  it('tell a cluster that nobody reads', async () => {
    const proxy = await startProxy(
      relay(
        { protocol: 'UnixDomainSocket', filename: socket() },
        { spec: { protocol: 'Pipe', path } },
        { retry: { timeout: 100 } },
        { options: { track: 10 } },
      ),
    );
    await shell(`echo hello | ${client()}`);
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(proxy.sessions()[0]?.reason).to.equal('CONNECT_TIMEOUT');
    await proxy.close();
  });

  it('tell a cluster that its reader went away', async () => {
    const proxy = await throughCluster({ path });
    await shell(`mkfifo ${path}`);
    const reader = new Peer('head', ['-c', '1', path]);
    const writer = new Peer('bash', ['-c', client()]);
    writer.write('a');
    expect(await reader.exit).to.equal(0);
    writer.write('b');
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    writer.endInput();
    await writer.exit;
    expect(proxy.sessions()[0]?.reason).to.equal('PEER_RESET');
    await proxy.close();
  });
});
