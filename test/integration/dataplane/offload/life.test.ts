/** Sessions that begin and end while the kernel relays them, a proxy that is killed, and one beside its application. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, configuration, FOUR, IN_PROXY, type Places, SIX } from './bed.ts';
import { look, objectsOf } from './kernel-objects.ts';
import { inPlace, type Place } from './lab.ts';

const POLICY = { policy: 'auto', threshold: 50 };
const FAMILIES = [
  ['IPv4', FOUR],
  ['IPv6', SIX],
] as const;

/**
 * So many sockets at a time, each of which sends a datagram again and again until a line comes in; then the next, until
 * no more lines come. Prints how many were open, and the echoes.
 */
const MANY = `
import select, socket, struct, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); opened = echoes = 0
for line in sys.stdin:
    poll = select.epoll(); sockets = {}
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((address, port)); opened += 1
        sockets[s.fileno()] = s; poll.register(s, select.EPOLLIN)
    print('round', flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        for s in sockets.values(): s.send(struct.pack('I', s.fileno()))
        came = 1
        while came:
            came = 0
            for fd, _ in poll.poll(0.2, count):
                assert sockets[fd].recv(100) == struct.pack('I', fd); came += 1
            echoes += came
    for s in sockets.values(): s.close()
    poll.close()
    sys.stdin.readline(); print('done', flush=True)
print(opened, echoes)`;

describe(`lives of sessions in the kernel, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let bed: Bed;

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.close());

  for (const [family, places] of FAMILIES) {
    it(`ends a session whose server is gone as user space does, ${family}`, async () => {
      const reasons: string[] = [];
      for (const policy of [POLICY, 'never']) {
        const server = await bed.serve(places.server);
        const proxy = await bed.startProxy(configuration(places, policy));
        const stream = bed.stream(places, { idle: 0.03 });
        if (policy === 'never') await until('traffic', () => (bed.sessions()[0]?.counters.egress.packets ?? 0) > 100);
        else await bed.inKernel();
        await server.stop();
        const [, reason = ''] = await proxy.peer.output(/^\d+ \d+ (\w+)$/mu);
        reasons.push(reason);
        await stream.stop();
        await bed.stopProxy();
      }
      expect(reasons).to.deep.equal(['CONNECT_REFUSED', 'CONNECT_REFUSED']);
    });

    const loopback = family === 'IPv4' ? '127.0.0.1' : '::1';
    const sidecars: readonly (readonly [string, Places, Place])[] = [
      ['a client elsewhere, its application on lo', { ...places, server: loopback }, 'client'],
      ['its application on lo, a server elsewhere', { ...places, client: loopback, proxy: loopback }, 'proxy'],
      ['both on lo', { ...places, client: loopback, proxy: loopback, server: loopback }, 'proxy'],
    ];
    for (const [name, where, place] of sidecars) {
      it(`relays for ${name}, ${family}`, async () => {
        const settings = ['accept_local', 'route_localnet'].map((each) => `/proc/sys/net/ipv4/conf/lo/${each}`);
        const before = inPlace('proxy', `cat ${settings.join(' ')}`);
        await bed.serve(where.server, where.server === loopback ? 'proxy' : 'server');
        const { peer } = await bed.startProxy(configuration(where, POLICY));
        const stream = bed.stream(where, {}, place);
        await bed.inKernel();
        const result = await stream.stop();
        expect(result).to.deep.include({ wrong: 0, refused: 0, distinct: result.sent.packets, received: result.sent });
        const { offload } = await bed.counted(result.sent);
        expect(offload.traffic?.ingress.packets).to.be.above(1000);
        peer.signal('SIGTERM');
        peer.signal('SIGINT');
        await peer.exit;
        expect(inPlace('proxy', `cat ${settings.join(' ')}`)).to.equal(before);
      });
    }
  }

  it('leaves nothing in the kernel when it is killed, and relays again after a restart', async () => {
    const { peer } = await bed.start(FOUR, POLICY);
    const stream = bed.stream(FOUR, { idle: 0.03 });
    await bed.inKernel();
    const objects = objectsOf(peer.pid);
    // Of datagrams, and of connections, whose programs, for each end of an interface, are attached where the first of them goes in.
    expect([objects.map.length, objects.prog.length, objects.link.length]).to.deep.equal([10, 3, 2]);
    expect(await look(objects)).to.deep.include({ entries: 2 });
    await peer.stop();
    await until('nothing left', async () => (await look(objects)).left.length === 0);
    await bed.stopProxy();
    await bed.startProxy(configuration(FOUR, POLICY));
    await bed.inKernel();
    expect(await stream.stop()).to.include({ wrong: 0 });
  });

  it('relays 10,000 short sessions without a leak', async function () {
    this.timeout(120_000);
    const [rounds, size] = [5, 2000];
    const { peer } = await bed.start(FOUR, 'always', { idle_timeout: 1000 });
    const descriptors = readdirSync(`/proc/${peer.pid}/fd`).length;
    const client = bed.run('client', MANY, [FOUR.proxy, 5000, size]);
    for (let round = 0; round < rounds; round++) {
      const before = bed.offload().handovers;
      client.write('\n');
      await until('all in the kernel', () => bed.offload().handovers - before >= size, 60_000);
      client.write('\n');
      await until('no session', () => bed.offload().flows === 0 && bed.sessions().length === 0, 60_000);
    }
    client.endInput();
    expect(await client.exit, client.stderr).to.equal(0);
    expect(client.stdout).to.match(new RegExp(`^${rounds * size} \\d{5,}$`, 'mu'));
    expect(bed.offload()).to.include({ handbacks: 0 }).and.deep.include({ refusals: {} });
    expect(await look(objectsOf(peer.pid))).to.include({ entries: 0 });
    // Programs are attached to both interfaces meanwhile.
    await until('its descriptors', () => readdirSync(`/proc/${peer.pid}/fd`).length <= descriptors + 2);
  });

  it('bounds its table: what is more is refused, unless it is hotter; short flows leave no slot taken', async function () {
    this.timeout(120_000);
    const file = 'test/integration/dataplane/offload/table-process.ts';
    const peer = new Peer('ip', [...IN_PROXY, process.execPath, '--import=tsx/esm', file]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    const refusals = Array.from({ length: 100 }, () => 'table-full');
    expect(JSON.parse(peer.stdout)).to.deep.equal({
      full: { refusals, flows: 100 },
      inserted: 1500,
      leaked: 0,
      again: 100,
      displacement: { told: ['42 out', '201 in'], refusals: { 'table-full': 2, displaced: 1 }, flows: 100 },
    });
  });
});
