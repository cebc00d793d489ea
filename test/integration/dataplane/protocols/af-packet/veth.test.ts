import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { descriptors, expectNoMoreThan } from '../../../../support/descriptors.ts';
import { Peer, PYTHON, versionOf } from '../../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';
import { curl } from '../../admin/tools.ts';

const ours = `l7t${process.pid % 100000}`;
const theirs = 'far';
const namespace = `l7mp-${process.pid}`;

/** Frames: far more than a socket's receive buffer holds. */
const FLOOD = 3000;

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}

describe(`AF_PACKET on a veth pair, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let before: string[];

  const plug = (): void => {
    ip(`link add ${ours} type veth peer name ${theirs} netns ${namespace}`);
    ip(`link set ${ours} up`);
    ip(`-n ${namespace} link set ${theirs} up`);
  };

  beforeEach(() => {
    before = descriptors();
    ip(`netns add ${namespace}`);
    plug();
  });
  afterEach(async () => {
    // With the pair; but the kernel takes its time, and the names shall be free for the next.
    spawnSync('ip', ['link', 'del', ours]);
    ip(`netns del ${namespace}`);
    await expectNoMoreThan(before);
  });

  const listener = (more: object = {}): object => ({
    name: 'in',
    spec: { protocol: 'AF_PACKET', interface: ours, ethertype: 0x88b5, ...more },
    rules: [{ action: { route: { destination: 'out' } } }],
    options: { track: 10 },
  });
  const echo = [{ name: 'out', spec: { protocol: 'Echo' } }];

  /** Python at the other end; `frame(text)` is one of ours, `answer()` the next that came in. */
  async function python(code: string): Promise<string> {
    const prelude = `
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('${theirs}', 3)); s.settimeout(3)
def frame(data, kind=0x88b5): return b'\\xff' * 6 + b'\\x02\\0\\0\\0\\0\\1' + struct.pack('!H', kind) + data
def answer(kinds=(0x88b5, 0x8100)):
    while True:
        data, where = s.recvfrom(70000)
        if where[2] != socket.PACKET_OUTGOING and struct.unpack('!H', data[12:14])[0] in kinds: return data
`;
    const peer = new Peer('ip', ['netns', 'exec', namespace, PYTHON, '-c', prelude + code]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return peer.stdout.trim();
  }

  it('passes whole frames, and does not hear its own', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo });
    const said = await python(`
for text in [b'one' + bytes(60), b'two' + bytes(1400)]:
    s.send(frame(text)); print(answer() == frame(text))`);
    expect(said).to.equal('True\nTrue');
    const [session] = proxy.sessions();
    expect(session?.name).to.equal('AF_PACKET:in-0');
    expect(session?.metadata['AF_PACKET']).to.deep.equal({ interface: ours, mode: 'raw', ethertype: 0x88b5 });
    expect(session?.counters.ingress.packets).to.equal(2);
    await proxy.close();
  });

  it('takes frames of one EtherType alone', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo });
    await python(`
s.send(frame(b'other', 0x88b6)); s.send(frame(b'ours')); answer()`);
    expect(proxy.sessions()[0]?.counters.ingress.packets).to.equal(1);
    await proxy.close();
  });

  it('keeps VLAN tags, which the kernel takes out', async () => {
    const proxy = await startProxy({ listeners: [listener({ ethertype: 0 })], clusters: echo });
    const said = await python(`
tagged = b'\\xff' * 6 + b'\\x02\\0\\0\\0\\0\\1' + bytes.fromhex('8100006488b5') + b'tagged' + bytes(40)
s.setsockopt(263, 8, 1); s.send(tagged)
while True:
    data, extra, flags, where = s.recvmsg(2000, 100)
    if where[2] == socket.PACKET_OUTGOING or b'tagged' not in data: continue
    aux = struct.unpack('IIIHHHH', extra[0][2]) if extra else (0,) * 7
    print('tag', aux[5] if aux[0] & 0x10 else struct.unpack('!HH', data[12:16])); break`);
    expect(said).to.be.oneOf(['tag 100', 'tag (33024, 100)']);
    await proxy.close();
  });

  it('passes what is behind the header in mode dgram, to the station that is named', async () => {
    const destination = '02:aa:bb:cc:dd:ee';
    const proxy = await startProxy({ listeners: [listener({ mode: 'dgram', destination })], clusters: echo });
    const said = await python(`
s.send(frame(b'payload')); a = answer(); print(a[:6].hex(':'), a[12:14].hex(), a[14:21])`);
    expect(said).to.equal(`${destination} 88b5 b'payload'`);
    await proxy.close();
  });

  it('names packets by their IP version in mode dgram without an EtherType', async () => {
    const proxy = await startProxy({ listeners: [listener({ mode: 'dgram', ethertype: 0 })], clusters: echo });
    const said = await python(`
s.send(frame(b'\\x45' + b'four' * 10, 0x88b5)); a = answer((0x0800,))
print(a[:6].hex(), a[12:14].hex(), a[14:19])`);
    expect(said).to.equal("ffffffffffff 0800 b'Efour'");
    await proxy.close();
  });

  it('takes frames for other stations only where it is promiscuous', async () => {
    for (const promiscuous of [false, true]) {
      const proxy = await startProxy({ listeners: [listener({ promiscuous })], clusters: echo });
      const flags = execFileSync('ip', ['-d', 'link', 'show', ours], { encoding: 'utf8' });
      expect(/promiscuity (\d)/u.exec(flags)?.[1]).to.equal(promiscuous ? '1' : '0');
      await proxy.close();
    }
  });

  it('bridges two interfaces, one of them as a cluster', async () => {
    const second = `${ours}b`;
    ip(`link add ${second} type veth peer name far2 netns ${namespace}`);
    ip(`link set ${second} up`);
    ip(`-n ${namespace} link set far2 up`);
    const proxy = await startProxy({
      listeners: [listener()],
      clusters: [{ name: 'out', spec: { protocol: 'AF_PACKET', interface: second, ethertype: 0x88b5 } }],
    });
    const said = await python(`
t = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)); t.bind(('far2', 0x88b5)); t.settimeout(3)
s.send(frame(b'there')); print(t.recv(100)[14:19]); t.send(frame(b'back!')); print(answer()[14:19])`);
    expect(said).to.equal("b'there'\nb'back!'");
    await proxy.close();
  });

  /** More frames than the receive buffer of a socket holds, while the proxy, in this process, reads nothing. */
  const flood = (): void => {
    const code = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); s.bind(('${theirs}', 0))
for _ in range(${FLOOD}): s.send(b'\\xff' * 6 + b'\\x02\\0\\0\\0\\0\\1' + b'\\x88\\xb5' + bytes(400))`;
    execFileSync('ip', ['netns', 'exec', namespace, PYTHON, '-c', code], { stdio: 'pipe' });
  };
  const dropped = async (proxy: TestProxy, subject: string): Promise<number> => {
    const { text } = await curl(`http://127.0.0.1:${proxy.port()}/metrics`);
    return Number(
      new RegExp(`^l7mp_${subject}_dropped_total\\{[^}]*reason="overflow"[^}]*\\} (\\d+)`, 'mu').exec(text)?.[1],
    );
  };

  it('counts the frames that the kernel drops for its listener, and still when the session has ended', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo }, { api: true });
    await until('the session', () => proxy.sessions().length === 1);
    flood();
    const overflow = await dropped(proxy, 'listener');
    expect(overflow).to.be.greaterThan(0);
    await until('the rest', () => proxy.sessions()[0]?.counters.ingress.packets === FLOOD - overflow);
    const { text } = await curl(`http://127.0.0.1:${proxy.port()}/api/v1/listeners/in`);
    expect(JSON.parse(text)).to.include({ overflow });
    ip(`link del ${ours}`);
    await until('its end', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(await dropped(proxy, 'listener')).to.equal(overflow);
    await proxy.close();
  });

  it('counts the frames that the kernel drops for its cluster', async () => {
    const spec = { protocol: 'AF_PACKET', interface: ours, ethertype: 0x88b5 };
    const proxy = await startProxy(
      {
        listeners: [
          {
            name: 'in',
            spec: { protocol: 'UDP', address: '127.0.0.1', port: 0 },
            rules: [{ action: { route: { destination: 'out' } } }],
          },
        ],
        clusters: [{ name: 'out', spec }],
      },
      { api: true },
    );
    const client = new Peer('socat', ['-u', '-', `UDP:127.0.0.1:${proxy.port('in')}`]);
    client.write('hello');
    await until('the session', () => proxy.sessions()[0]?.status === 'CONNECTED');
    flood();
    const overflow = await dropped(proxy, 'cluster');
    expect(overflow).to.be.greaterThan(0);
    await until('the rest', () => proxy.sessions()[0]?.counters.egress.packets === FLOOD - overflow);
    await client.stop();
    await proxy.close();
  });

  it('loses a frame that is too large for the interface, and goes on', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo });
    ip(`link set ${ours} mtu 500`);
    const said = await python(`
try: s.send(frame(bytes(1000)))
except OSError: pass
s.send(frame(b'small')); print(answer()[14:19])`);
    expect(said).to.equal("b'small'");
    await proxy.close();
  });

  it('goes on when the interface is down for a while', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo });
    ip(`link set ${ours} down`);
    const state = (): string => readFileSync(`/sys/class/net/${ours}/operstate`, 'utf8').trim();
    await until('the interface to be down', () => state() === 'down');
    await new Promise((resolve) => setImmediate(resolve)); // the proxy reads the error that its socket has
    ip(`link set ${ours} up`);
    expect(
      await python(`
import time
for _ in range(50):
    s.send(frame(b'again')); s.settimeout(0.1)
    try: print(answer()[14:19]); break
    except OSError: pass`),
    ).to.equal("b'again'");
    expect(proxy.sessions().map(({ name }) => name)).to.deep.equal(['AF_PACKET:in-0']);
    await proxy.close();
  });

  it('ends the session when the interface is gone, and begins another when it is back', async () => {
    const proxy = await startProxy({ listeners: [listener()], clusters: echo });
    await until('the first session', () => proxy.sessions().length === 1);
    ip(`link del ${ours}`);
    await until('its end', () => proxy.sessions()[0]?.status === 'DESTROYED');
    expect(proxy.sessions()[0]?.reason).to.equal('UNREACHABLE');
    expect(
      proxy
        .sessions()[0]
        ?.events.map(({ message }) => message)
        .join(),
    ).to.contain(`"${ours}" is gone`);
    plug();
    await until('the second session', () => proxy.sessions().some(({ status }) => status === 'CONNECTED'));
    expect(await python(`s.send(frame(b'again')); print(answer()[14:19])`)).to.equal("b'again'");
    await proxy.close();
  }).timeout(20_000);

  it('refuses an interface that there is not', async () => {
    const refused = await startProxy({ listeners: [listener({ interface: 'nowhere0' })], clusters: echo }).catch(
      String,
    );
    expect(refused).to.contain('NOT_FOUND: AF_PACKET: there is no network interface "nowhere0"');
  });

  it('refuses a destination that is no link-layer address', async () => {
    const spec = { mode: 'dgram', destination: 'nobody' };
    const refused = await startProxy({ listeners: [listener(spec)], clusters: echo }).catch(String);
    expect(refused).to.contain('expected a link-layer address as in 02:00:00:00:00:01, found "nobody"');
  });

  it('names the capability that a process without it lacks', () => {
    const code = `
      const { openPacketSocket } = await import('./dataplane/protocols/af-packet/packet-socket.ts');
      try { openPacketSocket('lo', { mode: 'raw', ethertype: 0, promiscuous: false }); }
      catch (error) { console.log(error.code, error.message); }`;
    const said = execFileSync(
      'setpriv',
      [
        '--bounding-set=-net_raw',
        '--inh-caps=-net_raw',
        process.execPath,
        '--import=tsx/esm',
        '--input-type=module',
        '-e',
        code,
      ],
      { encoding: 'utf8' },
    );
    expect(said.trim()).to.equal('PERMISSION_DENIED AF_PACKET: expected the capability CAP_NET_RAW, found none');
  });
});
