import { createSocket, type Socket } from 'node:dgram';
import { expect } from 'chai';
import { loadText } from '../../../../../config/load.ts';
import { ProxyError } from '../../../../../common/errors.ts';
import { freePort } from '../../../../support/free-port.ts';
import { hasUdpPort, Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const ECHO = { spec: { protocol: 'Echo' } };

describe(`UDP, with socat and ncat as its peers (${versionOf('socat', '-V')}, ${versionOf('ncat', '--version')})`, () => {
  const proxies: TestProxy[] = [];
  const peers: Peer[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    for (const socket of sockets.splice(0)) socket.close();
  });

  const start = async (...args: Parameters<typeof relay>): Promise<TestProxy> => {
    const proxy = await startProxy(relay(...args));
    proxies.push(proxy);
    return proxy;
  };

  const peer = (command: string, ...args: (string | number)[]): Peer => {
    const started = new Peer(command, args.map(String));
    peers.push(started);
    return started;
  };

  /** What a client sends comes back to it. */
  const echoes = async (client: Peer, text: string): Promise<void> => {
    client.write(text);
    await client.output(new RegExp(`${text}$`, 'u'));
  };

  for (const [family, listener, client, server] of [
    ['IPv4', '127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['IPv6', '::1', '::1', '::1'],
    ['IPv4, taken by an IPv6 socket, and IPv6 behind', '::', '127.0.0.1', '::1'],
    ['IPv6 in front and IPv4 behind', '::', '::1', '127.0.0.1'],
  ] as const) {
    it(`relays over ${family}`, async () => {
      const port = await freePort();
      const family = server.includes(':') ? `UDP6-RECVFROM:${port},bind=[::1]` : `UDP4-RECVFROM:${port},bind=127.0.0.1`;
      peer('socat', `${family},fork`, 'PIPE');
      const proxy = await start(
        { protocol: 'UDP', address: listener, port: 0 },
        { spec: { protocol: 'UDP', port }, endpoints: [server] },
      );
      const ncat = peer('ncat', '-u', client, proxy.port('in'));
      // What comes before socat is there is refused, and ends the session: the next datagram starts another.
      await until('the echo', () => {
        ncat.write('hello\n');
        return ncat.stdout.includes('hello\n');
      });
      const [session] = proxy.sessions();
      expect(session?.metadata).to.have.nested.property('IP.src_addr', client);
      expect(session?.metadata).to.have.nested.property('UDP.dst_port', proxy.port('in'));
      expect(session?.name).to.match(/^UDP:.*-\d+$/u);
    });
  }

  it('has a session for each source, and keeps the boundaries of datagrams', async () => {
    const proxy = await start({ protocol: 'UDP', address: '127.0.0.1', port: 0 }, ECHO);
    const code = `
import socket, sys
peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
sizes = [0, 1, 1452, 1453, 9000, 65507]
for peer in peers:
    peer.settimeout(5)
    peer.connect(('127.0.0.1', ${proxy.port('in')}))
for size in sizes:
    for index, peer in enumerate(peers):
        sent = bytes([index]) * size
        peer.send(sent)
        assert peer.recv(65536) == sent, size
print('all came back')`;
    const python = peer(PYTHON, '-c', code);
    expect(await python.exit, python.stderr).to.equal(0);
    expect(proxy.sessions()).to.have.length(3);
    expect(proxy.sessions().map(({ counters }) => counters.egress.packets)).to.deep.equal([6, 6, 6]);
  });

  describe('with one peer', () => {
    it('has its session from the start, hears nobody else, and begins anew when it is ended', async () => {
      const port = await freePort();
      const connect = { address: '127.0.0.1', port };
      const proxy = await start({ protocol: 'UDP', address: '127.0.0.1', port: 0, connect }, ECHO);
      await until('the session', () => proxy.sessions()[0]?.status === 'CONNECTED');
      expect(proxy.sessions()[0]?.metadata).to.have.nested.property('UDP.src_port', port);

      const stranger = peer('ncat', '-u', '127.0.0.1', proxy.port('in'));
      stranger.write('who is there?');
      const known = peer('ncat', '-u', '-p', port, '127.0.0.1', proxy.port('in'));
      await echoes(known, 'me');
      expect(stranger.stdout).to.equal('');
      expect(proxy.sessions()).to.have.length(1);

      const first = proxy.sessions()[0]!;
      first.destroy(new ProxyError('DELETED', 'by hand'));
      await echoes(known, 'again');
      expect(proxy.sessions().map(({ name }) => name)).to.not.include(first.name);
    });

    it('lets the destination speak first', async () => {
      const port = await freePort();
      const client = peer('socat', '-u', `UDP4-RECV:${port},bind=127.0.0.1`, '-');
      await until("socat's socket", () => hasUdpPort(port));
      const server = peer('socat', '-d', '-d', '-', 'TCP4-LISTEN:0,bind=127.0.0.1');
      server.write('first');
      const [, tcp] = await server.output(/listening on AF=2 127\.0\.0\.1:(\d+)/u);
      await start(
        { protocol: 'UDP', address: '127.0.0.1', port: 0, connect: { address: '127.0.0.1', port } },
        { spec: { protocol: 'TCP', port: Number(tcp) }, endpoints: ['127.0.0.1'] },
      );
      await client.output(/first/u);
    });

    it('takes the first source where none is named, and another when that one has gone', async () => {
      const proxy = await start(
        { protocol: 'UDP', address: '127.0.0.1', port: 0, options: { mode: 'singleton' } },
        ECHO,
      );
      const [a, b] = [
        peer('ncat', '-u', '127.0.0.1', proxy.port('in')),
        peer('ncat', '-u', '127.0.0.1', proxy.port('in')),
      ];
      await echoes(a, 'first');
      b.write('second');
      await echoes(a, 'still');
      expect(b.stdout).to.equal('');
      proxy.sessions()[0]?.destroy(new ProxyError('DELETED', 'by hand'));
      await echoes(b, 'third');
      expect(proxy.sessions()).to.have.length(1);
    });
  });

  it('hears only the sources that it is told to', async () => {
    const port = await freePort();
    const proxy = await start({ protocol: 'UDP', address: '127.0.0.1', port: 0, connect: { port } }, ECHO);
    const stranger = peer('ncat', '-u', '127.0.0.1', proxy.port('in'));
    stranger.write('who is there?');
    await echoes(peer('ncat', '-u', '-p', port, '127.0.0.1', proxy.port('in')), 'me');
    expect(proxy.sessions()).to.have.length(1);
  });

  it('lets several listeners have a port, and spreads the sources among them', async () => {
    const port = await freePort();
    const listener = { protocol: 'UDP', address: '127.0.0.1', port, options: { reuse_port: true } };
    const [a, b] = [await start(listener, ECHO), await start(listener, ECHO)];
    const clients = Array.from({ length: 24 }, () => createSocket('udp4'));
    sockets.push(...clients);
    await Promise.all(
      clients.map(
        (client) =>
          new Promise((resolve) => {
            client.once('message', resolve);
            client.send('hello', port, '127.0.0.1');
          }),
      ),
    );
    const counts = [a, b].map((proxy) => proxy.sessions().length);
    expect(counts[0]! + counts[1]!).to.equal(24);
    expect(counts).to.not.include(0);
  });

  it('can not have a port that is taken, and says so', async () => {
    const proxy = await start({ protocol: 'UDP', address: '127.0.0.1', port: 0 }, ECHO);
    const listener = { protocol: 'UDP', address: '127.0.0.1', port: proxy.port('in') };
    let message = '';
    await start(listener, ECHO).catch((error: unknown) => (message = (error as Error).message));
    expect(message).to.include('ADDRESS_IN_USE');
  });

  it('ends the session whose endpoint is not there', async () => {
    const port = await freePort();
    const cluster = { spec: { protocol: 'UDP', port }, endpoints: ['127.0.0.1'] };
    const listener = { protocol: 'UDP', address: '127.0.0.1', port: 0 };
    const proxy = await start(listener, cluster, {}, { options: { track: 10 } });
    const client = peer('ncat', '-u', '127.0.0.1', proxy.port('in'));
    client.write('anybody?');
    await until('the end', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(proxy.sessions()[0]?.reason).to.equal('CONNECT_REFUSED');
  });

  it('loses a message that is too large for a datagram, and nothing else', async () => {
    const port = await freePort();
    peer('socat', `UDP4-RECVFROM:${port},bind=127.0.0.1,fork`, 'PIPE');
    await until("socat's socket", () => hasUdpPort(port));
    const proxy = await start(
      { protocol: 'TCP', address: '127.0.0.1', port: 0 },
      { spec: { protocol: 'UDP', port }, endpoints: ['127.0.0.1'] },
      {},
      { options: { framing: 'length-prefix-4' } },
    );
    const code = `
import socket, struct
peer = socket.create_connection(('127.0.0.1', ${proxy.port('in')}), timeout=5)
for message in (b'one', b'x' * 70000, b'two'):
    peer.sendall(struct.pack('>I', len(message)) + message)
got = b''
while len(got) < 14:
    got += peer.recv(1024)
print(got)`;
    const python = peer(PYTHON, '-c', code);
    expect(await python.exit, python.stderr).to.equal(0);
    // Each has a process of socat's: they answer in any order.
    const [one, two] = [String.raw`\x00\x00\x00\x03one`, String.raw`\x00\x00\x00\x03two`];
    expect(python.stdout.trim()).to.be.oneOf([`b'${one}${two}'`, `b'${two}${one}'`]);
  });

  it('cuts a byte stream into datagrams that fit the path', async () => {
    const port = await freePort();
    const sizes = peer(
      PYTHON,
      '-uc',
      `
import socket
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.bind(('127.0.0.1', ${port}))
print('bound')
while True:
    print(len(peer.recv(65536)))`,
    );
    await sizes.output(/bound/u);
    const proxy = await start(
      { protocol: 'TCP', address: '127.0.0.1', port: 0 },
      { spec: { protocol: 'UDP', port, max_datagram: 1000 }, endpoints: ['127.0.0.1'] },
    );
    const client = peer('ncat', '127.0.0.1', proxy.port('in'));
    client.write('x'.repeat(2500));
    await sizes.output(/1000\n1000\n500\n/u);
  });

  it('sends from the address and port that are told', async () => {
    const [port, from] = [await freePort(), await freePort()];
    const server = peer(
      'socat',
      '-v',
      `UDP4-RECVFROM:${port},bind=127.0.0.1,fork`,
      'SYSTEM:printenv SOCAT_PEERADDR SOCAT_PEERPORT',
    );
    await until("socat's socket", () => hasUdpPort(port));
    const proxy = await start(
      { protocol: 'UDP', address: '127.0.0.1', port: 0 },
      { spec: { protocol: 'UDP', port, bind: { address: '127.0.0.2', port: from } }, endpoints: ['127.0.0.1'] },
    );
    const client = peer('ncat', '-u', '127.0.0.1', proxy.port('in'));
    client.write('who am I?');
    await client.output(new RegExp(`127\\.0\\.0\\.2\\n${from}`, 'u'));
    expect(server.stdout).to.equal('');
  });

  it('ends its sessions when the listener goes', async () => {
    const proxy = await start({ protocol: 'UDP', address: '127.0.0.1', port: 0 }, ECHO, {}, { options: { track: 10 } });
    await echoes(peer('ncat', '-u', '127.0.0.1', proxy.port('in')), 'hello');
    await proxy.proxy.replace(await loadText('{}'));
    const ended = proxy.sessions();
    expect(ended.map(({ status, reason }) => [status, reason])).to.deep.equal([['DESTROYED', 'LISTENER_CLOSED']]);
  });
});
