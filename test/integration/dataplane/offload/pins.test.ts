/** Sessions that stay in the kernel while their proxy is away, and go on in the next. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, configuration, FOUR, IN_PROXY, type Places, type Session, WAYS } from './bed.ts';
import { inPlace } from './lab.ts';

const POLICY = { policy: 'auto', threshold: 50 };
const LEFT = 'an earlier process has left sessions in the kernel: they go on';
const STOPPED = 'a session that an earlier process has left in the kernel can not go on';

describe(`sessions that are pinned, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let bed: Bed;
  let mount: string;
  let folder: string;

  before(function () {
    mount = mkdtempSync(join(tmpdir(), 'l7mp-bpffs-'));
    const { status, stderr } = spawnSync('mount', ['-t', 'bpf', 'bpf', mount], { encoding: 'utf8' });
    if (status === 0) return;
    rmdirSync(mount);
    process.stderr.write(`    not run: no bpffs can be mounted here: ${stderr}`);
    this.skip();
  });
  after(() => {
    if (spawnSync('umount', [mount]).status === 0) rmdirSync(mount);
  });
  beforeEach(() => {
    folder = join(mount, 'l7mp');
    bed = new Bed();
  });
  afterEach(async () => {
    await bed.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const pinned = (places: Places, offload: object | string = POLICY, options: object = {}): object =>
    configuration(places, offload, options, { offload_pin: folder });
  const own = (id = hostname()): string => join(folder, encodeURIComponent(id).replaceAll('.', '%2E'));
  const kept = (): string[] => readdirSync(own()).flatMap((version) => readdirSync(join(own(), version)));

  /** Ends the proxy as nothing else does. */
  const kill = async (): Promise<void> => {
    bed.proxy.peer.signal('SIGKILL');
    await bed.proxy.peer.exit;
    await bed.stopProxy();
  };

  /** What the veth towards the server has taken in and out. */
  const passed = (): number =>
    ['rx', 'tx'].reduce(
      (sum, way) => sum + Number(inPlace('proxy', `cat /sys/class/net/to-server/statistics/${way}_packets`)),
      0,
    );

  const resumed = (): Promise<Session> =>
    until('a session that goes on', () => {
      const [session] = bed.sessions();
      return session?.events.some(({ event }) => event === 'ADOPTED') && session.status === 'CONNECTED' && session;
    });

  for (const [way, places] of WAYS) {
    it(`loses no packet and counts all while the proxy is killed and started again, ${way}`, async () => {
      await bed.serve(places.server);
      await bed.startProxy(pinned(places));
      const stream = bed.stream(places);
      const before = await bed.inKernel();
      await kill();
      const without = passed();
      await until('traffic without a proxy', () => passed() - without > 2000);
      await bed.startProxy(pinned(places));
      await bed.proxy.logged(LEFT);
      const session = await resumed();
      expect(session.name).to.equal(before.name);
      expect(session.offload.state).to.equal('kernel');
      expect(session.events.map(({ event }) => event)).to.include.members(['INIT', 'ADOPTED', 'CONNECT', 'KERNEL']);
      await bed.inKernel();
      // Again: what was counted by then is in the next note.
      await kill();
      await bed.startProxy(pinned(places));
      await resumed();
      await bed.inKernel();
      const { sent, received, ...rest } = await stream.stop();
      expect(rest).to.deep.equal({ distinct: sent.packets, wrong: 0, refused: 0 });
      expect(received).to.deep.equal(sent);
      const counted = await bed.counted(sent);
      expect(bed.offload()).to.deep.include({ enabled: true, flows: 1 });

      bed.curl(`/api/v1/sessions/${encodeURIComponent(counted.name)}`, '-X', 'DELETE');
      expect(bed.offload().flows).to.equal(0);
      await bed.proxy.peer.output(new RegExp(`^${sent.packets} ${sent.bytes} DELETED$`, 'mu'));
    });
  }

  it('follows what has changed before, meanwhile and after, and counts on', async () => {
    await bed.serve(FOUR.server);
    await bed.startProxy(pinned(FOUR));
    const stream = bed.stream(FOUR);
    const change = async (mtu: number): Promise<void> => {
      inPlace('proxy', `ip link set to-server mtu ${mtu}`);
      if (bed.isRunning) await bed.inKernel();
    };
    await bed.inKernel();
    for (const mtu of [1480, 1460]) {
      await change(mtu);
      await kill();
      await change(mtu - 10);
      await bed.startProxy(pinned(FOUR));
      await resumed();
      await bed.inKernel();
    }
    await change(1440);
    expect(bed.offload()).to.deep.include({ flows: 1, handbacks: 0 });
    const { sent, received } = await stream.stop();
    await bed.counted(sent, received);
  });

  it('has hundreds of sessions go on, each as it was', async function () {
    this.timeout(120_000);
    const count = 500;
    await bed.serve(FOUR.server);
    const config = pinned(FOUR, 'always');
    await bed.startProxy(config);
    const client = bed.run('client', MANY, [FOUR.proxy, 5000, count]);
    // For so long that what passed user space before is noted.
    const isSettled = ({ offload: { traffic } }: Session): boolean => (traffic?.ingress.packets ?? 0) > 10;
    await until('all in the kernel', () => bed.sessions().filter(isSettled).length === count, 60_000);
    const seen = (): string[] =>
      bed
        .sessions()
        .filter(({ offload }) => offload.state === 'kernel')
        .map(({ name }) => name)
        .sort();
    const before = seen();
    await kill();
    await bed.startProxy(config);
    await until('all that go on', () => seen().length === count, 60_000);
    expect(seen()).to.deep.equal(before);
    client.endInput();
    expect(await client.exit, client.stderr).to.equal(0);
    const [packets, bytes] = client.stdout.trim().split(' ').map(Number);
    const sum = (part: 'packets' | 'bytes'): number =>
      bed.sessions().reduce((total, { counters }) => total + counters.ingress[part], 0);
    await until('the last packets to be counted', () => sum('packets') >= (packets ?? Infinity));
    expect([sum('packets'), sum('bytes')]).to.deep.equal([packets, bytes]);
  });

  it('throws away what is not whole, holds the ports of the rest, and waits for another that is about to end', async () => {
    const file = 'test/integration/dataplane/offload/pins-process.ts';
    const peer = new Peer('ip', [...IN_PROXY, process.execPath, '--import=tsx/esm', file, folder]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    const free = [true, false, true];
    expect(JSON.parse(peer.stdout)).to.deep.equal({
      ...{ taken: ['session 2'], flows: 1, slots: 2, free, failure: 'no counters', again: [], folders: [] },
    });
  });

  it('ends a session that goes on when it is idle, and lets its successor in', async () => {
    await bed.serve(FOUR.server);
    const config = pinned(FOUR, POLICY, { idle_timeout: 3000 });
    await bed.startProxy(config);
    const stream = bed.stream(FOUR);
    await bed.inKernel();
    await kill();
    await bed.startProxy(config);
    await resumed();
    const { sent } = await stream.stop();
    await bed.proxy.peer.output(new RegExp(`^${sent.packets} ${sent.bytes} IDLE_TIMEOUT$`, 'mu'));
    expect(bed.offload().flows).to.equal(0);
    const next = bed.stream(FOUR);
    const session = await bed.inKernel();
    expect(session.events.map(({ event }) => event)).not.to.include('ADOPTED');
    expect(await next.stop()).to.include({ wrong: 0, refused: 0 });
  });

  it('leaves sessions in the kernel when the proxy ends in order, and nothing else', async () => {
    await bed.serve(FOUR.server);
    await bed.startProxy(pinned(FOUR));
    const stream = bed.stream(FOUR);
    await bed.inKernel();
    const other = bed.run('client', COLD, [FOUR.proxy, 5000]);
    await other.output(/answered/u);
    bed.proxy.peer.signal('SIGTERM');
    expect(await bed.proxy.peer.exit).to.equal(0);
    // The one that is not hot has drained until its time was over; the other goes on.
    expect(bed.proxy.peer.stdout).to.match(/^1 \d+ DRAINED\n$/u);
    await bed.stopProxy();
    const without = passed();
    await until('traffic without a proxy', () => passed() - without > 2000);
    await bed.startProxy(pinned(FOUR));
    await resumed();
    const { sent, received, ...rest } = await stream.stop();
    expect(rest).to.deep.equal({ distinct: sent.packets, wrong: 0, refused: 0 });
    await bed.counted(sent, received);

    const [session] = bed.sessions();
    bed.curl(`/api/v1/sessions/${encodeURIComponent(session?.name ?? '')}`, '-X', 'DELETE');
    bed.proxy.peer.signal('SIGTERM');
    await bed.proxy.peer.exit;
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  /** Kills a proxy with a session in the kernel, and starts one of another configuration. */
  const succeed = async (config: object, between?: () => unknown): Promise<{ stop(): Promise<unknown> }> => {
    await bed.serve(FOUR.server);
    await bed.startProxy(pinned(FOUR));
    const stream = bed.stream(FOUR, { idle: 0.03 });
    await bed.inKernel();
    await kill();
    await between?.();
    await bed.startProxy(config);
    return stream;
  };

  const changed = (change: (config: Config) => void): object => {
    const config = structuredClone(pinned(FOUR)) as Config;
    change(config);
    return config;
  };

  const gone: readonly (readonly [string, (config: Config) => void, RegExp])[] = [
    ['its listener is gone', (config) => config.listeners.pop(), /^there is no listener in$/u],
    [
      'its listener is of another protocol',
      ({ listeners: [one] }) => Object.assign(one!.spec, { protocol: 'TCP' }),
      /^listener in does not take it$/u,
    ],
    [
      'its listener has another port',
      ({ listeners: [one] }) => Object.assign(one!.spec, { port: 5001 }),
      /^listener in does not take it$/u,
    ],
    [
      'its listener has another address',
      ({ listeners: [one] }) => Object.assign(one!.spec, { address: '10.2.0.1' }),
      /^listener in does not take it$/u,
    ],
    [
      'something stands between its listener and its cluster',
      ({ listeners: [one], clusters }) => {
        clusters.push({ ...clusters[0]!, name: 'other' });
        one!.rules = [{ action: { route: { destination: 'out', ingress: ['other'] } } }];
      },
      /^expected route .* to cluster out alone, as before, found .* by way of other$/u,
    ],
    [
      'its route goes elsewhere',
      ({ listeners: [one], clusters }) => {
        clusters.push({ ...clusters[0]!, name: 'other' });
        one!.rules = [{ action: { route: { destination: 'other' } } }];
      },
      /^expected route .* to cluster out alone, as before, found route .* to other$/u,
    ],
    [
      'its endpoint is gone',
      ({ clusters: [one] }) => Object.assign(one!, { endpoints: ['10.2.0.3'] }),
      /^cluster out has no endpoint at 10\.2\.0\.2 port 9000 any more$/u,
    ],
  ];
  for (const [name, change, error] of gone) {
    it(`lets go of a session where ${name}`, async () => {
      const stream = await succeed(changed(change));
      const line = await bed.proxy.logged(STOPPED);
      expect(line).to.include({ level: 'warn', listener: 'in' });
      expect(line['error']).to.match(error);
      expect(bed.offload().flows).to.equal(0);
      await stream.stop();
    });
  }

  it('lets go of a session whose port somebody else has', async () => {
    await bed.serve(FOUR.server);
    await bed.startProxy(pinned(FOUR));
    const stream = bed.stream(FOUR, { idle: 0.03 });
    await bed.inKernel();
    const port = Number(/:(\d+) +10[.]2[.]0[.]2:9000/u.exec(inPlace('proxy', 'ss -Hun'))?.[1]);
    await kill();
    await bed.run('proxy', SOCKET, ['10.2.0.1', port]).output(/bound/u);
    await bed.startProxy(pinned(FOUR));
    const { error } = await bed.proxy.logged(STOPPED);
    expect(error).to.match(
      new RegExp(`^connecting to 10[.]2[.]0[.]2:9000: bind 10[.]2[.]0[.]1 port ${port}: address already in use`, 'u'),
    );
    // Its client has a new one.
    await bed.inKernel();
    await stream.stop();
  });

  it('goes on in user space with what the kernel may not relay any more', async () => {
    const stream = await succeed(changed(({ listeners: [one] }) => (one!.options['offload'] = 'never')));
    const session = await resumed();
    expect(session.offload.state).to.equal('user');
    expect(bed.offload()).to.deep.include({ flows: 0, handbacks: 1 });
    const { packets } = session.counters.egress;
    await until('more by user space', () => (bed.sessions()[0]?.counters.egress.packets ?? 0) > packets + 1000);
    await stream.stop();
  });

  it('removes what another version has left', async () => {
    const stream = await succeed(pinned(FOUR), () => {
      const [version = ''] = readdirSync(own());
      renameSync(join(own(), version), join(own(), 'v000000000000'));
    });
    const line = bed.proxy.log().find(({ msg }) => msg.includes('another version'));
    expect(line).to.include({ level: 'warn', path: join(own(), 'v000000000000') });
    expect(readdirSync(own())).to.have.length(1).and.not.to.include('v000000000000');
    await bed.inKernel();
    await stream.stop();
  });

  it('removes what is left where there is no offload any more', async () => {
    const config = configuration(FOUR, POLICY, {}, { offload: 'disable', offload_pin: folder });
    const stream = await succeed(config);
    expect(bed.proxy.log().some(({ msg }) => msg.includes('is removed'))).to.equal(true);
    expect(readdirSync(folder)).to.deep.equal([]);
    await until('traffic', () => (bed.sessions()[0]?.counters.egress.packets ?? 0) > 100);
    await stream.stop();
  });

  it("is one proxy's alone, and of several by their names", async () => {
    await bed.startProxy(pinned(FOUR));
    const first = bed.proxy;
    const config = changed(({ listeners: [one] }) => Object.assign(one!.spec, { port: 5001 }));
    await bed.startProxy(config);
    expect(bed.offload()).to.include({ enabled: false });
    expect(bed.offload().reason).to.equal(
      `admin.offload_pin: ${own()}: expected it for this process alone, found another proxy that has it (--id)`,
    );
    await bed.stopProxy();
    await bed.startProxy(config, '', '--id', 'web-2.example');
    expect(bed.offload()).to.include({ enabled: true });
    expect(readdirSync(folder)).to.have.members(
      [own(), own('web-2.example')].map((path) => path.slice(folder.length + 1)),
    );
    await first.stop();
  });

  const foreign: readonly (readonly [string, () => void, RegExp])[] = [
    [
      'no bpffs',
      () => (folder = join(tmpdir(), 'l7mp-none', 'pins')),
      /expected a folder of a bpffs \(mount -t bpf\), found \/tmp of type/u,
    ],
    [
      'a folder of somebody else',
      () => mkdirSync(join(own(), 'mine'), { recursive: true }),
      /expected folders of versions alone, found mine; remove it$/u,
    ],
  ];
  for (const [name, make, reason] of foreign) {
    it(`says why there is no offload with ${name}`, async () => {
      make();
      await bed.startProxy(pinned(FOUR));
      const { enabled, reason: found } = bed.offload();
      expect(enabled).to.equal(false);
      expect(found).to.match(reason);
    });
  }

  it('keeps its maps and links for a crash, and says what else is among them', async () => {
    const stream = await succeed(pinned(FOUR), () => {
      expect(kept()).to.include.members(['ports', 'slots', 'flows', 'counters', 'notes']);
      expect(kept().filter((each) => /^link-\d+$/u.test(each))).to.have.length(2);
      const [version = ''] = readdirSync(own());
      mkdirSync(join(own(), version, 'mine'));
    });
    expect(bed.offload().reason).to.match(
      /expected ports, slots, flows, counters, notes and link-N alone, found mine; remove it$/u,
    );
    expect(kept(), 'nobody goes on with it').to.deep.equal(['mine']);
    await until('traffic by user space', () => (bed.sessions()[0]?.counters.egress.packets ?? 0) > 100);
    await stream.stop();
  });
});

interface Config {
  readonly listeners: { readonly spec: object; options: Record<string, unknown>; rules: object[] }[];
  readonly clusters: { readonly name: string }[];
}

/** Sends one datagram, and waits for the answer; then for its end. */
const COLD = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'cold'); assert s.recv(100) == b'cold'; print('answered', flush=True); sys.stdin.read()`;

/** So many sockets that send in turns, each after the answer to the one before, until standard input ends; says what they have sent. */
const MANY = `
import select, socket, struct, sys
sockets = []; sent = 0
for _ in range(int(sys.argv[3])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.connect((sys.argv[1], int(sys.argv[2]))); sockets.append(s)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    for s in sockets:
        s.send(struct.pack('I', sent)); sent += 1; s.recv(100)
print(sent, 4 * sent)`;

/** Has a port. */
const SOCKET = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2]))); print('bound', flush=True); sys.stdin.read()`;
