import { expect } from 'chai';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

/** Bursts of datagrams that know who sent them and where they stand; echoes are checked for order and contents. */
const CLIENT = `
import random, socket, struct, sys
host, port, flows, rounds, burst = sys.argv[1], *map(int, sys.argv[2:])
random.seed(7)
peers = [socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]
sent = [0] * flows
for peer in peers:
    peer.settimeout(5)
    peer.connect((host, port))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
for _ in range(rounds):
    expected = [[] for _ in peers]
    for _ in range(burst):
        flow = random.randrange(flows)
        size = random.choice([0, 40, 40, 40, 40, 700, 1452, 1453, 3000])
        datagram = struct.pack('>II', flow, sent[flow]) + bytes([sent[flow] % 256]) * size
        sent[flow] += 1
        expected[flow].append(datagram)
        peers[flow].send(datagram)
    for flow, peer in enumerate(peers):
        for datagram in expected[flow]:
            got = peer.recv(65536)
            assert got == datagram, (flow, got[:8], datagram[:8], len(got), len(datagram))
print('all', sum(sent))
`;

const SERVER = `
import socket, sys
server = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 0))
print('port', server.getsockname()[1], flush=True)
while True:
    datagram, peer = server.recvfrom(65536)
    server.sendto(datagram, peer)
`;

describe(`UDP in bursts, with Python's sockets at both ends (${versionOf(PYTHON, '--version')})`, () => {
  let proxy: TestProxy | undefined;
  let peers: Peer[] = [];

  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    await Promise.all(peers.map((peer) => peer.stop()));
    peers = [];
  });

  function python(program: string, ...args: (string | number)[]): Peer {
    const peer = new Peer(PYTHON, ['-c', program, ...args.map(String)]);
    peers.push(peer);
    return peer;
  }

  for (const [listen, host, server] of [
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['::', '127.0.0.1', '::1'],
    ['::', '::1', '127.0.0.1'],
  ] as const) {
    for (const flows of [1, 10]) {
      it(`keeps every datagram, and each session's order: ${host} by ${listen} to ${server}, ${flows} at once`, async () => {
        const [, port] = await python(SERVER, server).output(/port (\d+)/u);
        proxy = await startProxy(
          relay(
            { protocol: 'UDP', address: listen, port: 0 },
            { spec: { protocol: 'UDP', port: Number(port) }, endpoints: [server] },
          ),
        );
        const client = python(CLIENT, host, proxy.port('in'), flows, 50, 40);
        expect(await client.exit, client.stderr).to.equal(0);
        expect(client.stdout).to.equal('all 2000\n');
        const found = proxy.sessions();
        expect(found).to.have.length(flows);
        for (const { name, metadata } of found) {
          expect(metadata).to.have.nested.property('IP.src_addr', host);
          expect(name).to.satisfy((text: string) => text.startsWith(`UDP:${host}:`));
        }
      });
    }
  }

  it('finds its server again after it was refused', async () => {
    const first = python(SERVER, '127.0.0.1');
    const [, port] = await first.output(/port (\d+)/u);
    const listener = { protocol: 'UDP', address: '127.0.0.1', port: 0 };
    const cluster = { spec: { protocol: 'UDP', port: Number(port) }, endpoints: ['127.0.0.1'] };
    proxy = await startProxy(relay(listener, cluster, {}, { options: { track: 10 } }));
    const run = async (): Promise<number> => python(CLIENT, '127.0.0.1', proxy!.port('in'), 1, 1, 1).exit;
    expect(await run()).to.equal(0);
    await first.stop();
    const knock = python(CLIENT, '127.0.0.1', proxy.port('in'), 1, 1, 1);
    await until('the refusal', () => proxy!.sessions().some(({ reason }) => reason === 'CONNECT_REFUSED'));
    await knock.stop();
    const again = python(SERVER.replace('(sys.argv[1], 0)', `(sys.argv[1], ${port})`), '127.0.0.1');
    await again.output(/port (\d+)/u);
    expect(await run()).to.equal(0);
  });
});
