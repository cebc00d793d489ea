/** Sessions that begin and end while the kernel relays them, a proxy that is killed, and one beside its application. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { runCommand } from '../../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, configuration, FOUR, IN_PROXY, type Places, SIX } from './bed.ts';
import { inPlace, type Place } from './lab.ts';

const POLICY = { policy: 'auto', threshold: 50 };
const FAMILIES = [
  ['IPv4', FOUR],
  ['IPv6', SIX],
] as const;

/** The kernel's identifiers of a process's programs, maps and links. */
interface Objects {
  readonly map: readonly number[];
  readonly prog: readonly number[];
  readonly link: readonly number[];
}

function objectsOf(pid: number): Objects {
  const texts = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {
      return ''; // closed meanwhile
    }
  });
  const idsOf = (pattern: RegExp): number[] => [
    ...new Set(texts.flatMap((text) => pattern.exec(text)?.[1] ?? []).map(Number)),
  ];
  return { map: idsOf(/^map_id:\t(\d+)/mu), prog: idsOf(/^prog_id:\t(\d+)/mu), link: idsOf(/^link_id:\t(\d+)/mu) };
}

/** Which of these are still there; and how many entries the hashes among them have. See uapi/linux/bpf.h. */
const BPF = `
import ctypes, json, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes + bytes(64 - len(attributes)), 64)
    return libc.syscall(321 if platform.machine() == 'x86_64' else 280, command, buffer, 64)
wanted = json.loads(sys.argv[1]); left = []; entries = 0
for kind, command in (('map', 14), ('prog', 13), ('link', 30)):
    for id in wanted[kind]:
        fd = bpf(command, struct.pack('I', id))
        if fd < 0: continue
        left.append(kind)
        info = dict(line.split(':\\t') for line in open(f'/proc/self/fdinfo/{fd}').read().splitlines() if ':\\t' in line)
        if kind == 'map' and info['map_type'] == '1':
            key = ctypes.create_string_buffer(int(info['key_size'])); first = 0
            while bpf(4, struct.pack('IIQQ', fd, 0, first, ctypes.addressof(key))) == 0:
                entries += 1; first = ctypes.addressof(key)
        os.close(fd)
print(json.dumps({'left': left, 'entries': entries}))`;

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

  const look = async (objects: Objects): Promise<{ left: readonly string[]; entries: number }> => {
    const { code, stdout, stderr } = await runCommand(PYTHON, ['-c', BPF, JSON.stringify(objects)]);
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as { left: string[]; entries: number };
  };

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
    // Of datagrams, and of connections, whose program is attached where the first of them goes in.
    expect([objects.map.length, objects.prog.length, objects.link.length]).to.deep.equal([7, 2, 2]);
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
