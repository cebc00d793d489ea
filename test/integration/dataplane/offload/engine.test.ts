import { expect } from 'chai';
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { FlowPair, OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { buildLab, CLIENT, ip, namespace, type Place, removeLab, SERVER } from './lab.ts';

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

  beforeEach(buildLab);
  afterEach(async () => {
    await relay?.stop('SIGKILL');
    await server?.stop();
    removeLab();
  });

  const echoes = async ({ client, pair: { client: side } }: Case, count: number): Promise<number> => {
    const places = [side.remote.address, side.remote.port, side.local.address, side.local.port, count].map(String);
    const peer = new Peer('ip', ['netns', 'exec', namespace(client), PYTHON, '-c', CLIENT, ...places]);
    expect(await peer.exit, peer.stderr).to.equal(0);
    return Number(peer.stdout.trim().split(' ')[1]);
  };

  const start = async ({ pair }: Case, attachment: string): Promise<Relay> => {
    const { address, port } = pair.upstream.remote;
    server = new Peer('ip', ['netns', 'exec', namespace('server'), PYTHON, '-c', SERVER, address, String(port)]);
    await server.output(/ready/u);
    relay = new Relay(pair, attachment);
    expect(await relay.next()).to.deep.equal({ attachment });
    return relay;
  };

  /** Until the kernel relays it. */
  const insert = async (proxy: Relay): Promise<void> => {
    expect(await proxy.ask('insert')).to.deep.equal({});
    await until('programs at both interfaces', async () => {
      return (await proxy.ask<{ interfaces: readonly string[] }>('state')).interfaces.length === 2;
    });
  };

  for (const attachment of ['tcx', 'clsact']) {
    for (const one of CASES) {
      it(`relays ${one.name}, by ${attachment}, and gives packets back`, async () => {
        const proxy = await start(one, attachment);
        await echoes(one, 5);
        await insert(proxy);
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
      await insert(proxy);
      await echoes(one, 1);
      await proxy.stop('SIGKILL');
      // The host's own answer: there is no such port.
      expect(await echoes(one, 1).catch(String)).to.contain('Connection refused');
    });

    it(`gives up pairs whose interface is gone, by ${attachment}`, async () => {
      const one = CASES[0]!;
      const proxy = await start(one, attachment);
      await echoes(one, 1);
      await insert(proxy);
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
