import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import type { OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import type { SpliceOptions } from '../../../../dataplane/offload/splice-engine.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { buildLab, inPlace, ip, namespace, narrowBehind, type Place, putBehind, removeLab } from './lab.ts';
import { type Report, say, Talker, TCP_PEER } from './tcp-lab.ts';

interface Event {
  readonly kind: 'spliced' | 'refused' | 'ended' | 'evicted' | 'lost';
  readonly how?: string;
  readonly why?: OffloadRefusal;
  readonly traffic?: PairTraffic;
}

interface State {
  readonly state?: string;
  readonly relayed: { readonly fromClient: number; readonly fromUpstream: number };
  readonly errors: number;
  readonly flows: number;
}

const FOUR = { client: '10.1.0.2', server: '10.2.0.2' };
const SIX = { client: 'fd01::2', server: 'fd02::2' };
const LOCAL = { client: '127.0.0.1', server: '127.0.0.1' };
/** A datagram that is too large for what is further on, so that a router says so. */
const LARGE = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
s.sendto(bytes(1400), (sys.argv[1], 9))`;
/** Whether a port can be listened at. */
const LISTEN = `
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(); print('listens')`;
const PORT = 5000;
const SERVER_PORT = 9000;

describe(`spliced TCP connections, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let talkers: Talker[] = [];
  let relay: Talker;
  let client: Talker;
  let server: Talker;
  /** Bytes of pairs that were taken back. */
  let taken: { fromClient: number; fromUpstream: number };

  beforeEach(() => {
    taken = { fromClient: 0, fromUpstream: 0 };
    buildLab();
  });
  afterEach(async () => {
    await Promise.all(talkers.map((talker) => talker.stop()));
    talkers = [];
    removeLab();
  });

  const start = (place: Place, words: readonly string[]): Talker => {
    const talker = new Talker(place, words);
    talkers.push(talker);
    return talker;
  };

  const peer = (place: Place, role: string, address: string, port: number, options: readonly string[]): Talker =>
    start(place, [PYTHON, '-c', TCP_PEER, role, address, String(port), ...options]);

  /** A client, a relay and a server, connected. */
  const connect = async (
    places: typeof FOUR,
    clientOptions: readonly string[] = [],
    serverOptions = clientOptions,
    engine: Partial<SpliceOptions> = {},
    at?: Place,
  ): Promise<void> => {
    const isLocal = places === LOCAL;
    server = peer(isLocal ? 'proxy' : (at ?? 'server'), 'server', places.server, SERVER_PORT, serverOptions);
    await server.next('ready');
    const file = 'test/integration/dataplane/offload/splice-process.ts';
    const given = { listen: places.client, port: PORT, server: places.server, serverPort: SERVER_PORT };
    const node = [process.execPath, '--import=tsx/esm', file, JSON.stringify(given), JSON.stringify(engine)];
    relay = start('proxy', node);
    await relay.next('listening');
    client = peer(isLocal ? 'proxy' : 'client', 'client', places.client, PORT, clientOptions);
    await Promise.all([client.next('connected'), server.next('connected'), relay.next('connected')]);
  };

  const event = (): Promise<Event> => relay.next<Event>('kind');

  /** Each has heard of the other. */
  const greet = async (): Promise<void> => {
    await say(client, 100, server);
    await say(server, 200, client);
  };

  /** Inserts it until it is spliced. `meanwhile`: what both ends say, again and again, so that they are heard as soon as somebody listens. */
  const splice = async (meanwhile: () => Promise<void> = greet): Promise<void> => {
    await until('a spliced pair', async () => {
      expect(await relay.ask('insert')).to.deep.equal({});
      let told: Event | undefined;
      void event().then((found) => (told = found));
      const { kind, why } = await until('what becomes of it', async () => {
        await meanwhile();
        return told;
      });
      if (kind !== 'spliced') expect(why?.reason, why?.message).to.equal('state');
      return kind === 'spliced';
    });
  };

  const relayedSome = async (bytes: number): Promise<void> => {
    await until('much relayed', async () => {
      const traffic = await relay.ask<PairTraffic>('read');
      return Math.min(traffic.fromClient.bytes, traffic.fromUpstream.bytes) > bytes;
    });
  };

  /** Likewise, one whose ends never stop. */
  const spliceBusy = (): Promise<void> => splice(() => Promise.resolve());

  const takeBack = async (): Promise<void> => {
    const traffic = await until('a pair that is taken back', async () => {
      const answer = await relay.ask<PairTraffic | OffloadRefusal>('remove');
      return 'fromClient' in answer && answer;
    });
    taken.fromClient += traffic.fromClient.bytes;
    taken.fromUpstream += traffic.fromUpstream.bytes;
  };

  /** Segments of TCP that a place has sent again. */
  const retransmissions = (place: Place): number => {
    const snmp = spawnSync('ip', ['netns', 'exec', namespace(place), 'cat', '/proc/net/snmp'], { encoding: 'utf8' });
    const [names = [], values = []] = snmp.stdout
      .split('\n')
      .filter((line) => line.startsWith('Tcp:'))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf('RetransSegs')]);
  };

  /** What both have sent came whole. */
  const finish = async (): Promise<[Report, Report]> => {
    const [one, two] = await Promise.all([client.next<Report>('done'), server.next<Report>('done')]);
    expect([one.end, two.end]).to.deep.equal(['closed', 'closed']);
    expect([one.received, two.received]).to.deep.equal([two.sent, one.sent]);
    expect([one.receivedHash, two.receivedHash]).to.deep.equal([two.sentHash, one.sentHash]);
    return [one, two];
  };

  const closeBoth = async (): Promise<[Report, Report]> => {
    client.tell('close');
    server.tell('close');
    return finish();
  };

  const ended = async (): Promise<Event> => {
    await until('the end of the pair', async () => {
      await relay.ask('read');
      return (await relay.ask<State>('state')).state === undefined;
    });
    return event();
  };

  for (const [name, places] of [
    ['IPv4', FOUR],
    ['IPv6', SIX],
    ['lo alone', LOCAL],
  ] as const) {
    it(`relays a quiet connection, ${name}: contents and counters are whole`, async () => {
      await connect(places);
      await splice();
      await say(client, 3_000_000, server);
      await say(server, 2_000_000, client);
      const state = await relay.ask<State>('state');
      expect(state.state).to.equal('spliced');
      const { fromClient, fromUpstream } = state.relayed;
      expect(fromClient).to.be.below(1_000_000);
      const [one, two] = await closeBoth();
      const end = await ended();
      expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
      expect(end.traffic?.fromClient.bytes).to.equal(one.sent - fromClient);
      expect(end.traffic?.fromUpstream.bytes).to.equal(two.sent - fromUpstream);
    });
  }

  for (const [name, places, options, engine] of [
    ['IPv4', FOUR, [], {}],
    ['IPv6', SIX, [], {}],
    ['lo alone', LOCAL, [], {}],
    ['small writes', SIX, ['nodelay=1', 'sndbuf=4096'], {}],
    ['by clsact, IPv4', FOUR, [], { attachment: 'clsact' }],
    ['by clsact, lo alone', LOCAL, [], { attachment: 'clsact' }],
  ] as const) {
    it(`takes a bulk transfer both ways over, and gives it back and takes it again, ${name}`, async () => {
      await connect(places, ['endless=1', ...options], undefined, engine);
      for (let round = 0; round < 2; round++) {
        await spliceBusy();
        await relayedSome(50_000);
        await takeBack();
        const { relayed } = await relay.ask<State>('state');
        await until('user space to relay', async () => {
          const { relayed: now } = await relay.ask<State>('state');
          return now.fromClient > relayed.fromClient + 50_000 && now.fromUpstream > relayed.fromUpstream + 50_000;
        });
      }
      await spliceBusy();
      const before = (await relay.ask<State>('state')).relayed;
      const [one, two] = await closeBoth();
      const end = await ended();
      expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
      expect(before.fromClient + taken.fromClient + (end.traffic?.fromClient.bytes ?? 0)).to.equal(one.sent);
      expect(before.fromUpstream + taken.fromUpstream + (end.traffic?.fromUpstream.bytes ?? 0)).to.equal(two.sent);
    });
  }

  it('keeps to tiny windows, on its way in and back', async () => {
    await connect(FOUR, ['rcvbuf=4096']);
    for (let round = 0; round < 2; round++) {
      await splice();
      await Promise.all([say(client, 200_000, server), say(server, 200_000, client)]);
      expect((await relay.ask<PairTraffic>('read')).fromClient.bytes).to.be.at.least(200_000);
      await takeBack();
      await Promise.all([say(client, 50_000, server), say(server, 50_000, client)]);
    }
    await closeBoth();
  });

  it('loses nothing more of a busy connection whose hand-over is broken off before windows are closed', async () => {
    await connect(FOUR, ['endless=1']);
    await until('user space to relay', async () => (await relay.ask<State>('state')).relayed.fromClient > 1_000_000);
    const sentAgain = (): number => retransmissions('client') + retransmissions('server');
    const before = sentAgain();
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      await relay.ask('breakOff');
      expect(await event()).to.have.property('kind', 'refused');
    }
    // A busy host sends a few again by itself.
    expect(sentAgain() - before).to.be.below(rounds);
    await closeBoth();
  });

  it('leaves its port to the next listener, while connections that were in the kernel go on', async () => {
    await connect(FOUR);
    await splice();
    await takeBack();
    await relay.ask('unlisten');
    const words = ['netns', 'exec', namespace('proxy'), PYTHON, '-c', LISTEN, FOUR.client, String(PORT)];
    const { stdout, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
    expect(stdout, stderr).to.equal('listens\n');
    await greet();
    await closeBoth();
  });

  it('says what it waited for in vain, and leaves a busy connection to its sockets', async () => {
    await connect(FOUR, ['endless=1'], ['endless=1', 'rcvbuf=4096', 'pause=5'], { limits: { catchUp: 20 } });
    expect(await relay.ask('insert')).to.deep.equal({});
    const { kind, why } = await event();
    expect(kind).to.equal('refused');
    expect(why).to.deep.equal({
      reason: 'state',
      message: 'expected catchUp to take 20 ms at most, found it unfinished',
    });
    const { flows, relayed } = await relay.ask<State>('state');
    expect(flows).to.equal(0);
    await until('user space to relay', async () => {
      return (await relay.ask<State>('state')).relayed.fromUpstream > relayed.fromUpstream + 100_000;
    });
  });

  it('leaves losses to the ends, which mend them', async () => {
    await connect(FOUR);
    await relay.ask('lose 30');
    await splice();
    const { relayed } = await relay.ask<State>('state');
    // How many bytes a packet has here, and so how many there are to lose, is the kernel's choice.
    await until('losses', async () => {
      await Promise.all([say(client, 1_000_000, server), say(server, 1_000_000, client)]);
      return retransmissions('server') > 10;
    });
    const [one, two] = await closeBoth();
    const { kind, traffic } = await ended();
    expect(kind).to.equal('ended');
    expect(traffic?.fromClient.bytes).to.equal(one.sent - relayed.fromClient);
    expect(traffic?.fromUpstream.bytes).to.equal(two.sent - relayed.fromUpstream);
  });

  it('carries a half-closed connection, and does not give it back', async () => {
    await connect(FOUR);
    await splice();
    const { relayed } = await relay.ask<State>('state');
    client.tell('close');
    await say(server, 500_000, client);
    await until('the FIN to be acknowledged', async () => {
      const answer = await relay.ask<OffloadRefusal>('remove');
      return answer.message.includes('found it half-closed');
    });
    await say(server, 100_000, client);
    server.tell('close');
    const [, two] = await finish();
    const end = await ended();
    expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
    expect(end.traffic?.fromUpstream.bytes).to.equal(two.sent - relayed.fromUpstream);
  });

  for (const role of ['client', 'server'] as const) {
    it(`carries a reset by the ${role}, and ends at once`, async () => {
      await connect(SIX);
      await splice();
      const [one, two] = role === 'client' ? [client, server] : [server, client];
      await say(one, 10_000, two);
      one.tell('reset');
      expect((await two.next<Report>('done')).end).to.equal('Connection reset by peer');
      expect(await ended()).to.deep.include({ kind: 'ended', how: 'reset' });
      expect((await relay.ask<State>('state')).flows).to.equal(0);
    });
  }

  it('tells the ends of a connection that is abandoned', async () => {
    await connect(FOUR);
    await splice();
    await say(client, 500_000, server);
    await relay.ask('abandon');
    for (const each of [client, server]) {
      expect((await each.next<Report>('done')).end).to.equal('Connection reset by peer');
    }
    expect((await relay.ask<State>('state')).flows).to.equal(0);
  });

  it('stays with its sockets where one side’s segments do not fit the other’s way', async () => {
    ip(`-n ${namespace('proxy')} link set to-server mtu 1400`);
    await connect(FOUR);
    const refusal = await relay.ask<OffloadRefusal>('insert');
    expect(refusal).to.deep.equal({
      reason: 'mtu',
      message: 'expected packets of 1400 bytes at most, may be 1500',
    });
    await greet();
    await closeBoth();
  });

  it('goes back to its sockets where segments come again and again that cannot be relayed', async () => {
    await connect(FOUR);
    await splice();
    client.tell('options');
    client.tell('send 100');
    let refusal: OffloadRefusal | undefined;
    await until('the pair to be evicted', async () => {
      await relay.ask('read');
      // It sends again later and later, from 200 ms on: reads are as far apart.
      await new Promise((done) => setTimeout(done, 500));
      const { state } = await relay.ask<State>('state');
      if (state === undefined) refusal = (await event()).why;
      return state === undefined;
    });
    expect(refusal?.reason).to.equal('unsupported');
    await greet();
  });

  it('tells once what was relayed of one that goes back by itself, and is asked for meanwhile', async () => {
    await connect(FOUR);
    await splice();
    // With it, all that the server has said is acknowledged.
    await say(client, 100, server);
    client.tell('options');
    client.tell('send 100');
    expect(await relay.ask('evicted')).to.deep.equal({});
    expect(await event()).to.have.property('kind', 'evicted');
    await greet();
  });

  for (const [family, near, far] of [
    ['IPv4', FOUR.client, '10.3.0.2'],
    ['IPv6', SIX.client, 'fd03::2'],
  ] as const) {
    it(`has a sender hear of a way that is narrower further on, ${family}`, async () => {
      putBehind(1500);
      await connect({ client: near, server: far }, [], [], {}, 'behind');
      await splice();
      const { relayed } = await relay.ask<State>('state');
      narrowBehind(1300);
      await say(client, 500_000, server);
      const [one] = await closeBoth();
      const end = await ended();
      expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
      expect(end.traffic?.fromClient.bytes).to.equal(one.sent - relayed.fromClient);
    });
  }

  it('leaves what does not fit its way to its sockets, where the kernel has learnt of a narrower one', async () => {
    putBehind(1500);
    await connect({ ...FOUR, server: '10.3.0.2' }, [], [], {}, 'behind');
    await splice();
    narrowBehind(1300);
    await until('a path that is known', () => {
      spawnSync('ip', ['netns', 'exec', namespace('proxy'), PYTHON, '-c', LARGE, '10.3.0.2']);
      return inPlace('proxy', 'ip route get 10.3.0.2').includes('mtu 1300');
    });
    await relay.ask('read');
    client.tell('send 500000');
    let refusal: OffloadRefusal | undefined;
    await until('the pair to be evicted', async () => {
      await relay.ask('read');
      await new Promise((done) => setTimeout(done, 300));
      const { state } = await relay.ask<State>('state');
      if (state === undefined) refusal = (await event()).why;
      return state === undefined;
    });
    expect(refusal?.reason).to.equal('unsupported');
    await closeBoth();
  });

  it('waits while its way is gone, and goes on where that is another', async () => {
    await connect(FOUR);
    await splice();
    ip(`-n ${namespace('proxy')} link set to-server down`);
    ip(`-n ${namespace('proxy')} link set to-server address 02:00:00:00:00:77`);
    await relay.ask('read');
    ip(`-n ${namespace('proxy')} link set to-server up`);
    client.tell('send 1000');
    server.tell('send 1000');
    await until('the new way', async () => {
      spawnSync('ip', ['netns', 'exec', namespace('server'), 'ping', '-c1', '-W1', '10.2.0.1']);
      server.tell('report');
      await relay.ask('read');
      return (await server.next<Report>('report')).received >= 1100;
    });
    expect((await relay.ask<State>('state')).state).to.equal('spliced');
    await closeBoth();
  });
});
