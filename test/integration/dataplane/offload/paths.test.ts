/** What happens to a session's way while the kernel relays it, and the packets that are not like others. */
import { expect } from 'chai';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, configuration, FOUR, type Places, type Session, SIX, type Streamed, type Traffic, WAYS } from './bed.ts';
import { connect, inPlace, ip, namespace, putBehind, putWire, TRAIN_SERVER, WIRE } from './lab.ts';

/** Datagrams that are lost are soon given up. */
const LOSSY = { idle: 0.03 };
const POLICY = { policy: 'auto', threshold: 50 };
const FAMILIES = [
  ['IPv4', FOUR],
  ['IPv6', SIX],
] as const;

describe(`ways of UDP offload, with ${versionOf(PYTHON, '--version')}, ${versionOf('ip', '-V')} and ${versionOf('ethtool', '--version')}`, () => {
  let bed: Bed;

  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.close());

  /** A stream that starts in user space and goes on in the kernel; `meanwhile` may change the world. */
  const stream = async (places: Places, options: object = {}, meanwhile?: () => unknown): Promise<Streamed> => {
    const running = bed.stream(places, options);
    // Addresses that are new are announced when they have been probed, upon which everything is looked up anew.
    const probed = (): string => inPlace('proxy', 'ip -6 address show tentative');
    await until('addresses in use', () => probed() === '');
    await bed.inKernel();
    await meanwhile?.();
    return running.stop();
  };

  /** Some datagrams of a known number. */
  const send = (places: Places, count: number, options: object = {}): Promise<Streamed> =>
    bed.stream(places, { count, ...options }).stop();

  /** Tries until all of some datagrams come back whole. */
  const passesAll = (places: Places, options: object = {}): Promise<unknown> =>
    until('datagrams that all come back', async () => {
      const { sent, distinct, wrong } = await send(places, 24, options);
      expect(wrong).to.equal(0);
      return distinct === sent.packets;
    });

  const whole = ({ sent, received, distinct, wrong, refused }: Streamed): void => {
    expect({ distinct, wrong, refused, received }).to.deep.equal({
      distinct: sent.packets,
      wrong: 0,
      refused: 0,
      received: sent,
    });
  };

  const only = (): Session => {
    const [session, ...others] = bed.sessions();
    expect(others).to.deep.equal([]);
    return session!;
  };

  for (const [family, places] of FAMILIES) {
    it(`keeps contents and counters exact on a wire that loses, doubles and reorders, ${family}`, async () => {
      putWire();
      const wire = new Peer('ip', ['netns', 'exec', namespace('wire'), PYTHON, '-c', WIRE]);
      try {
        await wire.output(/ready/u);
        await bed.start(places, POLICY);
        const { sent, received, distinct, wrong } = await stream(places, LOSSY);
        wire.endInput();
        expect(await wire.exit, wire.stderr).to.equal(0);
        const { left, right } = JSON.parse(wire.stdout.replace('ready', '')) as Record<'left' | 'right', Traffic>;
        expect(right.packets)
          .to.be.above(sent.packets * 0.8)
          .and.not.equal(sent.packets);
        expect(received.packets).to.be.above(1000);
        expect(distinct).to.be.below(sent.packets);
        expect(wrong).to.equal(0);
        await bed.counted(right, left);
      } finally {
        await wire.stop();
      }
    });
  }

  const devices = [
    ['client', 'to-proxy'],
    ['proxy', 'to-client'],
    ['proxy', 'to-server'],
    ['server', 'to-proxy'],
  ] as const;
  for (const [way, places] of WAYS) {
    for (const [name, features, gro] of [
      ['sockets that take single datagrams', 'gro off', false],
      ['sockets that take trains', 'gro off', true],
      ['devices that join datagrams to trains', 'gro on rx-udp-gro-forwarding on', true],
      ['devices that cut trains', 'tx-udp-segmentation off', true],
    ] as const) {
      it(`counts datagrams of trains, ${way}, ${name}`, async () => {
        for (const [place, device] of devices) inPlace(place, `ethtool -K ${device} ${features}`);
        await bed.serve(places.server, 'server', TRAIN_SERVER, ...(gro ? ['gro'] : []));
        await bed.startProxy(configuration(places, POLICY));
        const running = bed.stream(places, { train: 4, size: 1200, gro });
        await until('a session in the kernel', () => bed.sessions()[0]?.offload.state === 'kernel');
        const before = only().counters.egress.packets;
        await until('more datagrams', () => only().counters.egress.packets - before > 2000);
        const result = await running.stop();
        whole(result);
        const { offload } = await bed.counted(result.sent);
        // Between families trains pass up.
        if (way === 'IPv4' || way === 'IPv6') expect(offload.traffic?.ingress.packets).to.be.above(1000);
      });
    }
  }

  for (const [family, places] of FAMILIES) {
    it(`leaves datagrams to user space that a narrower link would not take, ${family}`, async () => {
      await bed.start(places, POLICY);
      const narrow = await stream(places, { size: 1000 });
      whole(narrow);
      const before = (await bed.counted(narrow.sent)).offload.traffic?.ingress.packets ?? 0;
      for (const [place, device] of devices.slice(2)) ip(`-n ${namespace(place)} link set ${device} mtu 1280`);
      whole(await send(places, 400, { size: 1252 - (family === 'IPv6' ? 20 : 0) }));
      const fit = await until('what fits in the kernel', () => {
        const packets = only().offload.traffic?.ingress.packets ?? 0;
        return packets - before === 400 && packets;
      });
      // About a tenth are larger than the link takes, and come as fragments.
      whole(await send(places, 400, { size: 1400 }));
      await until('the others counted', () => (only().offload.traffic?.ingress.packets ?? 0) > fit);
      const { offload } = only();
      expect(offload.state).to.equal('kernel');
      expect(offload.traffic?.ingress.packets).to.be.below(fit + 400);
    });

    it(`learns the MTU of a way from a router behind the next, ${family}`, async () => {
      putBehind(1280);
      const far = { ...places, server: family === 'IPv4' ? '10.3.0.2' : 'fd03::2' };
      await bed.serve(far.server, 'behind');
      await bed.startProxy(configuration(far, POLICY));
      whole(await stream(far, { size: 1000 }));
      await passesAll(far, { ...LOSSY, size: 1400 });
      expect(only().offload.state).to.equal('kernel');
    });

    it(`follows a neighbour to its new link-layer address, ${family}`, async () => {
      await bed.start(places, POLICY);
      inPlace('server', 'sysctl -qw net.ipv4.conf.to-proxy.arp_notify=1 net.ipv6.conf.to-proxy.ndisc_notify=1');
      const { wrong } = await stream(places, LOSSY, () => {
        ip(`-n ${namespace('server')} link set to-proxy address 02:00:00:00:00:17`);
        return bed.inKernel();
      });
      expect(wrong).to.equal(0);
      expect(bed.offload()).to.include({ flows: 1, handovers: 1, handbacks: 0 });
    });

    it(`follows a route to another interface, by a rule, ${family}`, async () => {
      connect('proxy', 'server', 4, '-too');
      const [dash, gateway] = family === 'IPv4' ? ['-4', '10.4.0.2'] : ['-6', 'fd04::2'];
      const mac = inPlace('server', 'cat /sys/class/net/to-proxy-too/address').trim();
      ip(`-n ${namespace('proxy')} neigh replace ${gateway} lladdr ${mac} dev to-server-too`);
      ip(`-n ${namespace('proxy')} ${dash} route add ${places.server} via ${gateway} table 7`);
      await bed.start(places, POLICY);
      const left = (): number => Number(inPlace('proxy', 'cat /sys/class/net/to-server-too/statistics/tx_packets'));
      const result = await stream(places, {}, () => {
        expect(left()).to.be.below(100);
        ip(`-n ${namespace('proxy')} ${dash} rule add to ${places.server} table 7`);
        return until('datagrams on the other link', () => left() > 1000);
      });
      whole(result);
      await bed.counted(result.sent);
      expect(bed.offload()).to.include({ flows: 1, handovers: 1, handbacks: 0 });
      expect(bed.offload().interfaces).to.include('to-server-too');
    });

    it(`takes a session back while its interface is away, and goes on when it returns, ${family}`, async () => {
      inPlace('proxy', 'sysctl -qw net.ipv6.conf.to-server.keep_addr_on_down=1');
      await bed.start(places, POLICY);
      const { wrong } = await stream(places, LOSSY, async () => {
        ip(`-n ${namespace('proxy')} link set to-server down`);
        await until('user space', () => bed.offload().flows === 0);
        ip(`-n ${namespace('proxy')} link set to-server up`);
        await bed.inKernel();
      });
      expect(wrong).to.equal(0);
      expect(bed.offload()).to.include({ flows: 1, handovers: 2, handbacks: 1 });
    });
  }
});
