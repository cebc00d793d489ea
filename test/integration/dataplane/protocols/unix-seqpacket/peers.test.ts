import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { inSocketDirectory } from '../../../../support/socket-directory.ts';
import { until } from '../../../../support/until.ts';

const echo = { spec: { protocol: 'Echo' } };

describe(`UNIX seqpacket sockets, with ${versionOf('socat', '-V')} and ${versionOf(PYTHON, '--version')}`, () => {
  let directory: string;
  let path: string;

  inSocketDirectory((made) => {
    directory = made;
    path = join(directory, 's');
  });

  const listener = (more: object = {}): object => ({ protocol: 'UnixSeqpacket', filename: path, ...more });

  async function python(code: string): Promise<string> {
    const peer = new Peer(PYTHON, ['-c', `import hashlib, os, socket, sys\n${code}`]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout.trim();
  }

  const connected = (to: string): string =>
    `s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5); s.connect(${JSON.stringify(to)}.replace('@', '\\0'))`;

  it('echo what socat sends', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const peer = new Peer('socat', ['-t', '5', '-', `UNIX-CONNECT:${path},type=5`]);
    peer.write('hello');
    peer.endInput();
    expect(await peer.exit, peer.stderr).to.equal(0);
    expect(peer.stdout).to.equal('hello');
    await proxy.close();
    expect(existsSync(path)).to.equal(false);
  });

  it('keep the boundaries of messages, of empty ones and large ones, too, and half-close', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const said = await python(`
${connected(path)}
s.setsockopt(socket.SOL_SOCKET, 32, 4 << 20)
sizes = [1, 0, 2, 65536, 100000, 0, 200000, 1048576]
for size in sizes:
    m = os.urandom(size); s.send(m); assert s.recv(2 << 20) == m, size
s.send(b'last'); s.shutdown(socket.SHUT_WR)
print(s.recv(100), s.recv(100))`);
    expect(said).to.equal("b'last' b''");
    await proxy.close();
  });

  it('carry 10,000 messages both ways without a loss, though nobody reads for a while', async () => {
    const proxy = await startProxy(relay(listener(), echo));
    const said = await python(`
import threading
${connected(path)}
sent = hashlib.sha256(); got = hashlib.sha256()
def write():
    for i in range(10000):
        m = b'%d:' % i + os.urandom(i % 300); sent.update(b'%d' % len(m) + m); s.sendall(m)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=write); t.start(); t.join(0.3)
while m := s.recv(1000): got.update(b'%d' % len(m) + m)
t.join(); print(sent.digest() == got.digest())`);
    expect(said).to.equal('True');
    await proxy.close();
  });

  it('connect to a server', async () => {
    const server = new Peer(PYTHON, [
      '-c',
      `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind('\\0l7mp-seq-${process.pid}'); s.listen()
print('ready', flush=True); c, _ = s.accept()
while m := c.recv(1000): c.send(m[::-1])`,
    ]);
    await server.output(/ready/u);
    const name = `@l7mp-seq-${process.pid}`;
    const proxy = await startProxy(relay(listener(), { spec: { protocol: 'UnixSeqpacket' }, endpoints: [name] }));
    const said = await python(`
${connected(path)}
for m in [b'abc', b'de']: s.send(m); print(s.recv(100))
s.shutdown(socket.SHUT_WR); print(s.recv(100))`);
    expect(said.split('\n')).to.deep.equal(["b'cba'", "b'ed'", "b''"]);
    expect(await server.exit).to.equal(0);
    await proxy.close();
  });

  it('tell who connected', async () => {
    const proxy = await startProxy(relay(listener({ mode: '0600' }), echo));
    const peer = new Peer(PYTHON, [
      '-c',
      `import os, socket\n${connected(path)}\nprint(os.getpid(), flush=True); s.recv(1)`,
    ]);
    const pid = Number((await peer.output(/\d+/u))[0]);
    await until('the session', () => proxy.sessions().length > 0);
    const [session] = proxy.sessions();
    expect(session?.name).to.equal('UnixSeqpacket:in-0');
    expect(session?.metadata['UNIX']).to.deep.equal({
      filename: path,
      pid,
      uid: process.getuid!(),
      gid: process.getgid!(),
    });
    await peer.stop();
    await until('the end of the session', () => proxy.sessions().length === 0);
    await proxy.close();
  });

  it('say where nobody listens', async () => {
    const proxy = await startProxy(
      relay(listener(), { spec: { protocol: 'UnixSeqpacket', filename: `${path}2` } }, {}, { options: { track: 10 } }),
    );
    await python(`${connected(path)}\nassert s.recv(1) == b''`);
    expect(proxy.sessions()[0]?.reason).to.equal('NOT_FOUND');
    await proxy.close();
  });
});
