/** Pairs of connections that the engine splices and gives back: contents and counters are whole, ends are told. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import type { OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { inPlace, ip, namespace, narrowBehind, type Place, putBehind } from './lab.ts';
import { FOUR, LOCAL, SIX, SpliceBed } from './splice-bed.ts';
import { type Report, say } from './tcp-lab.ts';

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

/** Segments of TCP that a place has sent again. */
function retransmissions(place: Place): number {
  const snmp = spawnSync('ip', ['netns', 'exec', namespace(place), 'cat', '/proc/net/snmp'], { encoding: 'utf8' });
  const [names = [], values = []] = snmp.stdout
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('RetransSegs')]);
}

describe(`spliced TCP connections, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let bed: SpliceBed;

  beforeEach(() => {
    bed = new SpliceBed();
  });
  afterEach(() => bed.close());

  for (const [name, places] of [
    ['IPv4', FOUR],
    ['IPv6', SIX],
    ['lo alone', LOCAL],
  ] as const) {
    it(`relays a quiet connection, ${name}: contents and counters are whole`, async () => {
      await bed.connect(places);
      await bed.splice();
      await say(bed.client, 3_000_000, bed.server);
      await say(bed.server, 2_000_000, bed.client);
      const state = await bed.state();
      expect(state.state).to.equal('spliced');
      const { fromClient, fromUpstream } = state.relayed;
      expect(fromClient).to.be.below(1_000_000);
      const [one, two] = await bed.closeBoth();
      const end = await bed.ended();
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
      await bed.connect(places, ['endless=1', ...options], undefined, engine);
      await bed.carriesBulk(2);
    });
  }

  it('keeps to tiny windows, on its way in and back', async () => {
    await bed.connect(FOUR, ['rcvbuf=4096']);
    for (let round = 0; round < 2; round++) {
      await bed.splice();
      await Promise.all([say(bed.client, 200_000, bed.server), say(bed.server, 200_000, bed.client)]);
      expect((await bed.relay.ask<PairTraffic>('read')).fromClient.bytes).to.be.at.least(200_000);
      await bed.takeBack();
      await Promise.all([say(bed.client, 50_000, bed.server), say(bed.server, 50_000, bed.client)]);
    }
    await bed.closeBoth();
  });

  it('loses nothing more of a busy connection whose hand-over is broken off before windows are closed', async () => {
    await bed.connect(FOUR, ['endless=1']);
    await until('user space to relay', async () => (await bed.state()).relayed.fromClient > 1_000_000);
    const sentAgain = (): number => retransmissions('client') + retransmissions('server');
    const before = sentAgain();
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      await bed.relay.ask('breakOff');
      expect(await bed.event()).to.have.property('kind', 'refused');
    }
    // A busy host sends a few again by itself.
    expect(sentAgain() - before).to.be.below(rounds);
    await bed.closeBoth();
  });

  it('leaves its port to the next listener, while connections that were in the kernel go on', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    await bed.takeBack();
    await bed.relay.ask('unlisten');
    const words = ['netns', 'exec', namespace('proxy'), PYTHON, '-c', LISTEN, FOUR.client, '5000'];
    const { stdout, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
    expect(stdout, stderr).to.equal('listens\n');
    await bed.greet();
    await bed.closeBoth();
  });

  it('says what it waited for in vain, and leaves a busy connection to its sockets', async () => {
    await bed.connect(FOUR, ['endless=1'], ['endless=1', 'rcvbuf=4096', 'pause=5'], { limits: { catchUp: 20 } });
    expect(await bed.relay.ask('insert')).to.deep.equal({});
    const { kind, why } = await bed.event();
    expect(kind).to.equal('refused');
    expect(why).to.deep.equal({
      reason: 'state',
      message: 'expected catchUp to take 20 ms at most, found it unfinished',
    });
    const { flows, relayed } = await bed.state();
    expect(flows).to.equal(0);
    await until('user space to relay', async () => {
      return (await bed.state()).relayed.fromUpstream > relayed.fromUpstream + 100_000;
    });
  });

  it('leaves losses to the ends, which mend them', async () => {
    await bed.connect(FOUR);
    await bed.relay.ask('lose 30');
    await bed.splice();
    const { relayed } = await bed.state();
    // How many bytes a packet has here, and so how many there are to lose, is the kernel's choice.
    await until('losses', async () => {
      await Promise.all([say(bed.client, 1_000_000, bed.server), say(bed.server, 1_000_000, bed.client)]);
      return retransmissions('server') > 10;
    });
    const [one, two] = await bed.closeBoth();
    const { kind, traffic } = await bed.ended();
    expect(kind).to.equal('ended');
    expect(traffic?.fromClient.bytes).to.equal(one.sent - relayed.fromClient);
    expect(traffic?.fromUpstream.bytes).to.equal(two.sent - relayed.fromUpstream);
  });

  it('carries a half-closed connection, and does not give it back', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    const { relayed } = await bed.state();
    bed.client.tell('close');
    await say(bed.server, 500_000, bed.client);
    await until('the FIN to be acknowledged', async () => {
      const answer = await bed.relay.ask<OffloadRefusal>('remove');
      return answer.message.includes('found it half-closed');
    });
    await say(bed.server, 100_000, bed.client);
    bed.server.tell('close');
    const [, two] = await bed.finish();
    const end = await bed.ended();
    expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
    expect(end.traffic?.fromUpstream.bytes).to.equal(two.sent - relayed.fromUpstream);
  });

  for (const role of ['client', 'server'] as const) {
    it(`carries a reset by the ${role}, and ends at once`, async () => {
      await bed.connect(SIX);
      await bed.splice();
      const [one, two] = role === 'client' ? [bed.client, bed.server] : [bed.server, bed.client];
      await say(one, 10_000, two);
      one.tell('reset');
      expect((await two.next<Report>('done')).end).to.equal('Connection reset by peer');
      expect(await bed.ended()).to.deep.include({ kind: 'ended', how: 'reset' });
      expect((await bed.state()).flows).to.equal(0);
    });
  }

  it('tells the ends of a connection that is abandoned', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    await say(bed.client, 500_000, bed.server);
    await bed.relay.ask('abandon');
    for (const each of [bed.client, bed.server]) {
      expect((await each.next<Report>('done')).end).to.equal('Connection reset by peer');
    }
    expect((await bed.state()).flows).to.equal(0);
  });

  it('goes back to its sockets where segments come again and again that cannot be relayed', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    bed.client.tell('options');
    bed.client.tell('send 100');
    let refusal: OffloadRefusal | undefined;
    await until('the pair to be evicted', async () => {
      await bed.relay.ask('read');
      // It sends again later and later, from 200 ms on: reads are as far apart.
      await new Promise((done) => setTimeout(done, 500));
      const { state } = await bed.state();
      if (state === undefined) refusal = (await bed.event()).why;
      return state === undefined;
    });
    expect(refusal?.reason).to.equal('unsupported');
    await bed.greet();
  });

  it('tells once what was relayed of one that goes back by itself, and is asked for meanwhile', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    // With it, all that the server has said is acknowledged.
    await say(bed.client, 100, bed.server);
    bed.client.tell('options');
    bed.client.tell('send 100');
    expect(await bed.relay.ask('evicted')).to.deep.equal({});
    expect(await bed.event()).to.have.property('kind', 'evicted');
    await bed.greet();
  });

  for (const [family, near, far] of [
    ['IPv4', FOUR.client, '10.3.0.2'],
    ['IPv6', SIX.client, 'fd03::2'],
  ] as const) {
    it(`has a sender hear of a way that is narrower further on, ${family}`, async () => {
      putBehind(1500);
      await bed.connect({ client: near, server: far }, [], [], {}, 'behind');
      await bed.splice();
      const { relayed } = await bed.state();
      narrowBehind(1300);
      await say(bed.client, 500_000, bed.server);
      const [one] = await bed.closeBoth();
      const end = await bed.ended();
      expect(end).to.deep.include({ kind: 'ended', how: 'closed' });
      expect(end.traffic?.fromClient.bytes).to.equal(one.sent - relayed.fromClient);
    });
  }

  it('leaves what does not fit its way to its sockets, where the kernel has learnt of a narrower one', async () => {
    putBehind(1500);
    await bed.connect({ ...FOUR, server: '10.3.0.2' }, [], [], {}, 'behind');
    await bed.splice();
    narrowBehind(1300);
    await until('a path that is known', () => {
      spawnSync('ip', ['netns', 'exec', namespace('proxy'), PYTHON, '-c', LARGE, '10.3.0.2']);
      return inPlace('proxy', 'ip route get 10.3.0.2').includes('mtu 1300');
    });
    await bed.relay.ask('read');
    bed.client.tell('send 500000');
    let refusal: OffloadRefusal | undefined;
    await until('the pair to be evicted', async () => {
      await bed.relay.ask('read');
      await new Promise((done) => setTimeout(done, 300));
      const { state } = await bed.state();
      if (state === undefined) refusal = (await bed.event()).why;
      return state === undefined;
    });
    expect(refusal?.reason).to.equal('unsupported');
    await bed.closeBoth();
  });

  it('waits while its way is gone, and goes on where that is another', async () => {
    await bed.connect(FOUR);
    await bed.splice();
    ip(`-n ${namespace('proxy')} link set to-server down`);
    ip(`-n ${namespace('proxy')} link set to-server address 02:00:00:00:00:77`);
    await bed.relay.ask('read');
    ip(`-n ${namespace('proxy')} link set to-server up`);
    bed.client.tell('send 1000');
    bed.server.tell('send 1000');
    await until('the new way', async () => {
      spawnSync('ip', ['netns', 'exec', namespace('server'), 'ping', '-c1', '-W1', '10.2.0.1']);
      bed.server.tell('report');
      await bed.relay.ask('read');
      return (await bed.server.next<Report>('report')).received >= 1100;
    });
    expect((await bed.state()).state).to.equal('spliced');
    await bed.closeBoth();
  });
});
