/** Spliced sessions of a proxy that is killed, and many short ones. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { parseMetrics } from '../admin/tools.ts';
import { Bed, FOUR } from './bed.ts';
import { look, objectsOf } from './kernel-objects.ts';
import { inPlace } from './lab.ts';
import { type Report, Talker, TCP_PEER } from './tcp-lab.ts';

const CONFIGURATION = {
  admin: { offload: 'init' },
  listeners: [
    {
      name: 'in',
      spec: { protocol: 'TCP', port: 5000, address: FOUR.listen },
      options: { offload: 'always' },
      rules: [{ action: { route: { destination: 'out' } } }],
    },
  ],
  clusters: [{ name: 'out', spec: { protocol: 'TCP', port: 9000 }, endpoints: [FOUR.server] }],
};

/** Sends back what comes, until the end. */
const ECHO = `
import select, socket, sys
first = socket.socket(); first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
first.bind((sys.argv[1], int(sys.argv[2]))); first.listen(4096); print('ready', flush=True)
poll = select.epoll(); poll.register(first, select.EPOLLIN); sockets = {}
while True:
    for fd, _ in poll.poll():
        if fd == first.fileno():
            s, _ = first.accept(); sockets[s.fileno()] = s; poll.register(s, select.EPOLLIN); continue
        data = sockets[fd].recv(10000)
        if data: sockets[fd].sendall(data)
        else: sockets.pop(fd).close()`;

/**
 * \`ADDRESS PORT TOTAL AT_A_TIME\`: connections that say something and hear it, some only once and others for up to two seconds, and end.
 * Prints how many there were, and the bytes that they have sent.
 */
const SHORT = `
import heapq, random, select, socket, sys, time
address, port, total, most = sys.argv[1], *map(int, sys.argv[2:5]); random.seed(7)
poll = select.epoll(); open_ones = {}; opened = ended = sent = 0; turns = []
def say(one):
    global sent
    one['wanted'] = random.randbytes(random.randint(1, 3000)); one['heard'] = b''
    one['socket'].sendall(one['wanted']); sent += len(one['wanted'])
while ended < total:
    while len(open_ones) < most and opened < total:
        s = socket.create_connection((address, port)); opened += 1
        one = {'socket': s, 'until': time.monotonic() + random.random() * 2}
        open_ones[s.fileno()] = one; poll.register(s, select.EPOLLIN); say(one)
    while turns and turns[0][0] <= time.monotonic():
        one = open_ones[heapq.heappop(turns)[1]]
        if time.monotonic() < one['until']: say(one)
        else: one['wanted'] = one['heard'] = b''; one['socket'].shutdown(socket.SHUT_WR)
    for fd, _ in poll.poll(0.01):
        one = open_ones[fd]; data = one['socket'].recv(10000); one['heard'] += data
        if not data:
            assert one['heard'] == one['wanted'] == b'', 'it ended early'
            one['socket'].close(); del open_ones[fd]; ended += 1
        elif len(one['heard']) >= len(one['wanted']):
            assert one['heard'] == one['wanted'], 'something else came back'
            heapq.heappush(turns, (time.monotonic() + 0.2, fd))
print(ended, sent)`;

describe(`lives of spliced connections, with ${versionOf(PYTHON, '--version')} and ${versionOf('ss', '-V')}`, () => {
  let bed: Bed;
  let talkers: Talker[] = [];

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(async () => {
    await Promise.all(talkers.map((talker) => talker.stop()));
    talkers = [];
    await bed.close();
  });

  const talk = (place: 'client' | 'server', ...words: readonly string[]): Talker => {
    const talker = new Talker(place, [PYTHON, '-c', TCP_PEER, ...words]);
    talkers.push(talker);
    return talker;
  };

  const flows = (): number => (bed.offload() as unknown as { tcp: { flows: number } }).tcp.flows;

  /** Connections that the proxy's host has, but for those that are only remembered. */
  const open = (): string[] =>
    inPlace('proxy', 'ss -Htan')
      .split('\n')
      .filter((line) => line !== '' && !/^(?:LISTEN|TIME-WAIT)/u.test(line));

  it('leaves nothing when the proxy is killed, and both ends hear of it when they speak', async () => {
    const server = talk('server', 'server', FOUR.server, '9000');
    await server.next('ready');
    const { peer } = await bed.startProxy(CONFIGURATION);
    const client = talk('client', 'client', FOUR.proxy, '5000');
    await client.next('connected');
    await until('a session in the kernel', () => {
      client.tell('send 100');
      server.tell('send 100');
      return bed.sessions()[0]?.offload.state === 'kernel';
    });
    const objects = objectsOf(peer.pid);
    expect((await look(objects)).left).to.include.members(['map', 'prog', 'link']);
    await peer.stop();
    await until('nothing left', async () => (await look(objects)).left.length === 0);
    expect(open()).to.deep.equal([]);
    for (const end of [client, server]) {
      end.tell('send 100');
      expect((await end.next<Report>('done')).end).to.equal('Connection reset by peer');
    }
  });

  it('relays 10,000 short connections without a leak, and counts every byte', async function () {
    this.timeout(300_000);
    const total = 10_000;
    await bed.serve(FOUR.server, 'server', ECHO);
    const { peer } = await bed.startProxy(CONFIGURATION);
    const descriptors = readdirSync(`/proc/${peer.pid}/fd`).length;
    const client = bed.run('client', SHORT, [FOUR.proxy, 5000, total, 1000]);
    expect(await client.exit, client.stderr).to.equal(0);
    const [ended, sent] = client.stdout.trim().split(' ').map(Number);
    expect(ended).to.equal(total);
    // The kernel still relays what those that have ended may ask for, for 10 s.
    await until('no session', () => flows() === 0 && bed.sessions().length === 0, 60_000);
    expect(bed.offload().handovers).to.be.above(0);
    const samples = await parseMetrics(bed.curl('/metrics'));
    for (const direction of ['ingress', 'egress']) {
      const parts = samples.filter(
        ({ name, labels }) => name === 'l7mp_listener_bytes_total' && labels['direction'] === direction,
      );
      expect(parts.reduce((sum, { value }) => sum + value, 0)).to.equal(sent);
    }
    expect(await look(objectsOf(peer.pid))).to.include({ entries: 0 });
    expect(open().filter((line) => /:(?:5000|9000)\s/u.test(line))).to.deep.equal([]);
    // Programs are attached to both ends of both interfaces meanwhile.
    await until('its descriptors', () => readdirSync(`/proc/${peer.pid}/fd`).length <= descriptors + 4);
  });
});
