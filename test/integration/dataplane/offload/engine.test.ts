import { expect } from 'chai';
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { FlowPair, OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';

const PLACES = ['client', 'proxy', 'server'] as const;
type Place = (typeof PLACES)[number];
const namespace = (place: Place): string => `l7mp-${process.pid}-${place}`;
const TIMEOUT = '3';

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}

/** client .1 --- .2 proxy .1 --- .2 server, over 10.1.0.0/24 and 10.2.0.0/24, fd01::/64 and fd02::/64 */
function connect(left: Place, right: Place, net: number): void {
  ip(`link add to-${right} netns ${namespace(left)} type veth peer name to-${left} netns ${namespace(right)}`);
  for (const [place, device, host] of [
    [left, `to-${right}`, 1],
    [right, `to-${left}`, 2],
  ] as const) {
    ip(`-n ${namespace(place)} address add 10.${net}.0.${host}/24 dev ${device}`);
    ip(`-n ${namespace(place)} address add fd0${net}::${host}/64 dev ${device} nodad`);
    ip(`-n ${namespace(place)} link set ${device} up`);
  }
}

/** Sends datagrams of all sizes with random contents, each after the echo of the one before; prints the bytes. */
const CLIENT = `
import os, random, socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(${TIMEOUT})
s.bind((sys.argv[1], int(sys.argv[2]))); s.connect((sys.argv[3], int(sys.argv[4])))
total = 0
for i in range(int(sys.argv[5])):
    data = os.urandom(random.randint(0, 1400)); s.send(data); total += len(data)
    assert s.recv(2000) == data, 'another datagram came back'
print(total)`;

const SERVER = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2]))); print('ready', flush=True)
while True:
    data, where = s.recvfrom(2000); s.sendto(data, where)`;

/** The relay with its engine. */
class Relay {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: Interface;
  private readonly answers: AsyncIterator<string>;
  stderr = '';

  constructor(pair: FlowPair, attachment: string) {
    const file = 'test/integration/dataplane/offload/engine-process.ts';
    const node = [process.execPath, '--import=tsx/esm', file, JSON.stringify(pair), attachment];
    this.child = spawn('ip', ['netns', 'exec', namespace('proxy'), ...node]);
    this.child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()));
    this.lines = createInterface(this.child.stdout);
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  async next<T>(): Promise<T> {
    const answer = await this.answers.next();
    if (answer.done === true) throw new Error(`the relay ended: ${this.stderr}`);
    return JSON.parse(answer.value) as T;
  }

  ask<T>(command: string): Promise<T> {
    this.child.stdin.write(`${command}\n`);
    return this.next<T>();
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'close');
    if (signal) this.child.kill(signal);
    else this.child.stdin.end();
    await gone;
  }
}

interface Case {
  readonly name: string;
  readonly client: Place;
  readonly pair: FlowPair;
}

function flow(local: string, localPort: number, remote: string, remotePort: number): FlowPair['client'] {
  return {
    transport: 'udp',
    local: { address: local, port: localPort },
    remote: { address: remote, port: remotePort },
  };
}

const four = flow('10.1.0.2', 5000, '10.1.0.1', 7000);
const six = flow('fd01::2', 5000, 'fd01::1', 7000);
const toFour = flow('10.2.0.1', 8000, '10.2.0.2', 9000);
const toSix = flow('fd02::1', 8000, 'fd02::2', 9000);
const CASES: readonly Case[] = [
  { name: 'IPv4 between devices', client: 'client', pair: { id: 1, client: four, upstream: toFour } },
  { name: 'IPv6 between devices', client: 'client', pair: { id: 1, client: six, upstream: toSix } },
  { name: 'IPv4 to IPv6', client: 'client', pair: { id: 1, client: four, upstream: toSix } },
  { name: 'IPv6 to IPv4', client: 'client', pair: { id: 1, client: six, upstream: toFour } },
  {
    name: 'a client on 127.0.0.1, a server elsewhere',
    client: 'proxy',
    pair: { id: 1, client: flow('127.0.0.1', 5000, '127.0.0.1', 7000), upstream: toFour },
  },
  {
    name: 'a client on ::1, a server elsewhere',
    client: 'proxy',
    pair: { id: 1, client: flow('::1', 5000, '::1', 7000), upstream: toSix },
  },
];

describe(`the engine of UDP offload, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let server: Peer | undefined;
  let relay: Relay | undefined;

  beforeEach(() => {
    for (const place of PLACES) {
      ip(`netns add ${namespace(place)}`);
      ip(`-n ${namespace(place)} link set lo up`);
    }
    connect('client', 'proxy', 1);
    connect('proxy', 'server', 2);
  });
  afterEach(async () => {
    await relay?.stop('SIGKILL');
    await server?.stop();
    for (const place of PLACES) spawnSync('ip', ['netns', 'del', namespace(place)]);
  });

  const echoes = async ({ client, pair: { client: side } }: Case, count: number): Promise<number> => {
    const places = [side.remote.address, side.remote.port, side.local.address, side.local.port, count].map(String);
    const peer = new Peer('ip', ['netns', 'exec', namespace(client), PYTHON, '-c', CLIENT, ...places]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return Number(peer.stdout.trim());
  };

  const start = async ({ pair }: Case, attachment: string): Promise<Relay> => {
    const { address, port } = pair.upstream.remote;
    server = new Peer('ip', ['netns', 'exec', namespace('server'), PYTHON, '-c', SERVER, address, String(port)]);
    await server.output(/ready/u);
    relay = new Relay(pair, attachment);
    expect(await relay.next()).to.deep.equal({ attachment });
    return relay;
  };

  for (const attachment of ['tcx', 'clsact']) {
    for (const one of CASES) {
      it(`relays ${one.name}, by ${attachment}, and gives packets back`, async () => {
        const proxy = await start(one, attachment);
        await echoes(one, 5);
        expect(await proxy.ask('insert')).to.deep.equal({});
        const bytes = await echoes(one, 100);
        const traffic = { packets: 100, bytes };
        const { lastSeen, ...counted } = await proxy.ask<PairTraffic>('read');
        expect(counted).to.deep.equal({ fromClient: traffic, fromUpstream: traffic });
        expect(lastSeen).to.be.above(0);
        expect(await proxy.ask('state')).to.include({ relayed: 5, flows: 1 });
        expect(await proxy.ask('remove')).to.deep.include({ fromClient: traffic, fromUpstream: traffic });
        await echoes(one, 5);
        expect(await proxy.ask('state')).to.include({ relayed: 10, flows: 0 });
        await proxy.stop();
      });
    }

    it(`leaves nothing that relays when it is killed, by ${attachment}`, async () => {
      const one = CASES[0]!;
      const proxy = await start(one, attachment);
      await echoes(one, 1);
      expect(await proxy.ask('insert')).to.deep.equal({});
      await echoes(one, 1);
      await proxy.stop('SIGKILL');
      // The host's own answer: there is no such port.
      expect(await echoes(one, 1).catch(String)).to.contain('Connection refused');
    });

    it(`gives up pairs whose interface is gone, by ${attachment}`, async () => {
      const one = CASES[0]!;
      const proxy = await start(one, attachment);
      await echoes(one, 1);
      expect(await proxy.ask('insert')).to.deep.equal({});
      const bytes = await echoes(one, 3);
      ip(`-n ${namespace('proxy')} link del to-server`);
      const { evicted, traffic, why } = await proxy.next<{
        evicted: number;
        traffic: PairTraffic;
        why: OffloadRefusal;
      }>();
      expect(evicted).to.equal(1);
      expect(why.reason).to.equal('no-route');
      expect(traffic.fromClient).to.deep.equal({ packets: 3, bytes });
      expect(await proxy.ask<object>('state')).to.deep.include({ flows: 0, interfaces: ['to-client'] });
      await proxy.stop();
    });
  }

  it('says why a pair stays out', async () => {
    const one = CASES[0]!;
    const proxy = await start(one, 'tcx');
    // Nobody has spoken with the client.
    expect(await proxy.ask<OffloadRefusal>('insert')).to.include({ reason: 'no-neighbour' });
    await proxy.stop();
  });

  it('refuses without privileges', () => {
    const code = `
      const { openOffloadEngine } = await import('./dataplane/offload/index.ts');
      console.log(JSON.stringify(await openOffloadEngine()));`;
    const node = [process.execPath, '--import=tsx/esm', '--input-type=module', '-e', code];
    const said = execFileSync('setpriv', ['--bounding-set=-all', '--inh-caps=-all', ...node], { encoding: 'utf8' });
    expect(JSON.parse(said)).to.include({ reason: 'unsupported' });
    expect(said).to.contain('operation not permitted');
  });
});
