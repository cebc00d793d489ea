import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { inSocketDirectory } from '../../../../support/socket-directory.ts';
import { until } from '../../../../support/until.ts';

const echo = { spec: { protocol: 'Echo' } };

describe(`UNIX datagram sockets, with ${versionOf('socat', '-V')} and ${versionOf(PYTHON, '--version')}`, () => {
  let directory: string;
  let path: string;

  inSocketDirectory((made) => {
    directory = made;
    path = join(directory, 's');
  });

  const listener = (more: object = {}): object => ({ protocol: 'UnixDatagram', filename: path, ...more });

  async function python(code: string): Promise<string> {
    const peer = new Peer(PYTHON, ['-c', `import hashlib, os, socket, threading\n${code}`]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout.trim();
  }

  const client = (name = 's'): string =>
    `${name} = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); ${name}.settimeout(5); ${name}.bind(''); ${name}.connect('${path}')`;

  it('answer socat at the name that it is bound to', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const own = join(directory, 'socat');
    const peer = new Peer('socat', ['-t', '5', '-', `UNIX-SENDTO:${path},bind=${own}`]);
    peer.write('hello');
    await peer.output(/hello/u);
    const [session] = proxy.sessions();
    expect(session?.name).to.equal('UnixDatagram:in-0');
    expect(session?.metadata['UNIX']).to.deep.equal({ filename: path, source: own });
    await peer.stop();
    await proxy.close();
    expect(existsSync(path)).to.equal(false);
  });

  it('keep the boundaries of datagrams, and the sources apart', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const said = await python(`
${client('a')}
${client('b')}
for size in [1, 0, 65536, 100000]:
    m = os.urandom(size); n = os.urandom(size)
    a.send(m); b.send(n)
    assert b.recv(200000) == n and a.recv(200000) == m, size
print('kept')`);
    expect(said).to.equal('kept');
    expect(proxy.sessions().map(({ name }) => name)).to.deep.equal(['UnixDatagram:in-0', 'UnixDatagram:in-1']);
    await proxy.close();
  });

  it('put all sources without a name in one session, which has no answers', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    await python(`
for _ in range(3):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'x', '${path}'); s.close()`);
    await until('the answers', () => proxy.sessions()[0]?.counters.egress.packets === 3);
    expect(proxy.sessions().map(({ metadata }) => metadata['UNIX'])).to.deep.equal([{ filename: path }]);
    await proxy.close();
  });

  it('carry 10,000 datagrams both ways without a loss, though nobody reads for a while', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const said = await python(`
${client()}
sent = hashlib.sha256(); got = hashlib.sha256()
def write():
    for i in range(10000):
        m = b'%d:' % i + os.urandom(i % 300); sent.update(b'%d' % len(m) + m); s.send(m)
t = threading.Thread(target=write); t.start(); t.join(0.3)
for i in range(10000):
    m = s.recv(1000); got.update(b'%d' % len(m) + m)
t.join(); print(sent.digest() == got.digest())`);
    expect(said).to.equal('True');
    await proxy.close();
  });

  it('let the others go on where the session of one source takes nothing', async () => {
    const choice = `case $L7MP_METADATA in *stuck*) exec sleep 1000;; *) exec cat;; esac`;
    const proxy = await startProxy(
      relay(listener(), { spec: { protocol: 'StdioFork', command: 'sh', args: ['-c', choice], kill_timeout: 0 } }),
    );
    const said = await python(`
stuck = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); stuck.bind('${directory}/stuck'); stuck.settimeout(0.5)
count = 0
try:
    while count < 10000: stuck.sendto(b'x' * 1000, '${path}'); count += 1
except TimeoutError: print('held back')
${client('other')}
other.send(b'hello'); print(other.recv(100))`);
    expect(said.split('\n')).to.deep.equal(['held back', "b'hello'"]);
    await proxy.close();
  });

  it('end the session of a source that is gone when it is answered', async () => {
    const server = new Peer(PYTHON, [
      '-c',
      `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('${path}2'); print('ready', flush=True)
m, a = s.recvfrom(100); sys.stdin.readline(); s.sendto(b'late', a); sys.stdin.readline()`,
    ]);
    await server.output(/ready/u);
    const proxy = await startProxy(
      relay(listener(), { spec: { protocol: 'UnixDatagram', filename: `${path}2` } }, {}, { options: { track: 10 } }),
    );
    await python(`${client()}\ns.send(b'x')`);
    server.write('\n');
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(
      proxy
        .sessions()[0]
        ?.events.map(({ message }) => message)
        .join(),
    ).to.contain('answering @');
    await server.stop();
    await proxy.close();
  });

  for (const [where, spec] of [
    ['an abstract name', {}],
    ['a file', { bind_directory: 'DIRECTORY' }],
  ] as const) {
    it(`reach a server, which answers to ${where}`, async () => {
      const answers = join(directory, 'answers');
      mkdirSync(answers);
      const server = new Peer('socat', ['-d', '-d', `UNIX-RECVFROM:${path}2,fork`, 'SYSTEM:rev']);
      await until('the server', () => existsSync(`${path}2`));
      const cluster = { protocol: 'UnixDatagram', ...spec };
      if ('bind_directory' in cluster) Object.assign(cluster, { bind_directory: answers });
      const proxy = await startProxy(relay(listener(), { spec: cluster, endpoints: [`${path}2`] }));
      expect(await python(`${client()}\ns.send(b'abc\\n'); print(s.recv(100))`)).to.equal("b'cba\\n'");
      expect(readdirSync(answers)).to.have.length('bind_directory' in spec ? 1 : 0);
      await proxy.close();
      expect(readdirSync(answers)).to.deep.equal([]);
      await server.stop();
    });
  }

  it('end the session when its server is gone', async () => {
    const server = new Peer(PYTHON, [
      '-c',
      `
import socket, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('${path}2'); print('ready', flush=True)
m, a = s.recvfrom(100); s.sendto(m, a)`,
    ]);
    await server.output(/ready/u);
    const proxy = await startProxy(
      relay(listener(), { spec: { protocol: 'UnixDatagram', filename: `${path}2` } }, {}, { options: { track: 10 } }),
    );
    const peer = new Peer(PYTHON, [
      '-c',
      `
import socket, sys
${client()}
s.send(b'x'); s.recv(10); sys.stdin.readline(); s.send(b'y')`,
    ]);
    await server.exit;
    peer.write('\n');
    expect(await peer.exit, peer.stderr).to.equal(0);
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(proxy.sessions()[0]?.reason).to.equal('CONNECT_REFUSED');
    await proxy.close();
  });
});
