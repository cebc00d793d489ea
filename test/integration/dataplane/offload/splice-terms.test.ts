/** Spliced connections whose ends have agreed on different terms: segments, options of TCP, and what is left to devices. */
import { expect } from 'chai';
import type { PairTraffic } from '../../../../dataplane/core/offload.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { inPlace, ip, namespace, type Place } from './lab.ts';
import { FOUR, SIX, SpliceBed } from './splice-bed.ts';

const LINKS = [
  ['client', 'to-proxy'],
  ['proxy', 'to-client'],
  ['proxy', 'to-server'],
  ['server', 'to-proxy'],
] as const;
type Device = (typeof LINKS)[number][1];
type Mtus = readonly (readonly [Place, Device, number])[];

describe(`terms of spliced TCP connections, with ${versionOf(PYTHON, '--version')}, ${versionOf('ip', '-V')} and ${versionOf('ethtool', '--version')}`, () => {
  let bed: SpliceBed;

  beforeEach(() => {
    bed = new SpliceBed();
  });
  afterEach(() => bed.close());

  const refused = async (reason: string, message: string): Promise<void> => {
    expect(await bed.relay.ask('insert')).to.deep.equal({ reason, message });
    await bed.greet();
    await bed.closeBoth();
  };

  const setMtus = (mtus: Mtus): void => {
    for (const [place, device, mtu] of mtus) ip(`-n ${namespace(place)} link set ${device} mtu ${mtu}`);
  };

  for (const [side, far, device, family, places, headers] of [
    ['client', 'server', 'to-client', 'IPv4', FOUR, 40],
    ['server', 'client', 'to-server', 'IPv6', SIX, 60],
  ] as const) {
    it(`stays with its sockets where the way to the ${side} is narrower than what the ${far} may send, ${family}`, async () => {
      setMtus([['proxy', device, 1400]]);
      await bed.connect(places);
      await refused('mtu', 'expected packets of 1400 bytes at most, may be 1500');
    });

    it(`stays with its sockets where the ${side} takes smaller segments than the ${far} may send, ${family}`, async () => {
      setMtus([[side, 'to-proxy', 1400]]);
      await bed.connect(places);
      await refused('mtu', 'expected packets of 1400 bytes at most, may be 1500');
    });

    it(`is spliced where both ends take smaller segments than the ways to them, ${family}`, async () => {
      setMtus([
        ['client', 'to-proxy', 1400],
        ['server', 'to-proxy', 1400],
      ]);
      for (const place of ['client', 'server'] as const) inPlace(place, 'ethtool -K to-proxy tso off gso off');
      await bed.connect(places, ['endless=1']);
      await bed.carriesBulk(1);
    });

    it(`is spliced where the link of the ${side} alone is wider, and segments are small all the same, ${family}`, async () => {
      setMtus([
        ['proxy', device, 9000],
        [side, 'to-proxy', 9000],
      ]);
      const [usual, small] = [['endless=1'], ['endless=1', `mss=${1500 - headers}`]];
      await bed.connect(places, side === 'client' ? small : usual, side === 'client' ? usual : small);
      await bed.carriesBulk(1);
    });
  }

  const [AT_CLIENT, AT_PROXY_LEFT, AT_PROXY_RIGHT, AT_SERVER] = LINKS;
  for (const [where, off, joining, places] of [
    ['nowhere', LINKS, [], FOUR],
    ["but at the server's", [AT_CLIENT, AT_PROXY_LEFT, AT_PROXY_RIGHT], [], SIX],
    ["but at the client's", [AT_PROXY_LEFT, AT_PROXY_RIGHT, AT_SERVER], [], FOUR],
    ["at the proxy's, which join what comes in single segments", [AT_CLIENT, AT_SERVER], LINKS.slice(1, 3), SIX],
  ] as const) {
    it(`carries a bulk transfer where checksums and trains are left to devices ${where}`, async () => {
      for (const [place, device] of off) {
        inPlace(place, `ethtool -K ${device} tx off rx off sg off tso off gso off gro off`);
      }
      for (const [place, device] of joining) inPlace(place, `ethtool -K ${device} gro on`);
      await bed.connect(places, ['endless=1']);
      await bed.carriesBulk(1);
    });
  }

  const configure = (settings: readonly (readonly [Place, string])[]): void => {
    for (const [place, setting] of settings) inPlace(place, `sysctl -qw net.ipv4.${setting}`);
  };
  const everywhere = (setting: string) =>
    (['client', 'proxy', 'server'] as const).map((place) => [place, setting] as const);

  for (const [what, settings] of [
    ['without timestamps', everywhere('tcp_timestamps=0')],
    ['without SACK', everywhere('tcp_sack=0')],
    ['with ECN', everywhere('tcp_ecn=1')],
    ['without scaled windows of the client', [['client', 'tcp_window_scaling=0']]],
    ['without scaled windows of the server', [['server', 'tcp_window_scaling=0']]],
    [
      'without any of them',
      ['timestamps', 'sack', 'window_scaling'].flatMap((option) => everywhere(`tcp_${option}=0`)),
    ],
  ] as const) {
    it(`carries a bulk transfer ${what}`, async () => {
      configure(settings);
      await bed.connect(SIX, ['endless=1']);
      await bed.carriesBulk(1);
    });
  }

  for (const [option, setting, side, holder] of [
    ['timestamps', 'tcp_timestamps=0', 'client', 'upstream'],
    ['sack', 'tcp_sack=0', 'server', 'the client'],
    ['ecn', 'tcp_ecn=1', 'client', 'the client'],
  ] as const) {
    it(`stays with its sockets where ${holder} alone has ${option}, by ${setting} of the ${side}`, async () => {
      configure([[side, setting]]);
      await bed.connect(FOUR);
      await refused('unsupported', `expected ${option} on both sides or on none, found it with ${holder} alone`);
    });
  }

  it('relays what ends ask whether the other is there, and the answer', async () => {
    await bed.connect(FOUR, ['keepalive=1']);
    await bed.splice();
    const traffic = (): Promise<PairTraffic> => bed.relay.ask<PairTraffic>('read');
    const before = await traffic();
    const after = await until('packets without contents', async () => {
      const now = await traffic();
      return now.fromClient.packets > before.fromClient.packets + 2 && now;
    });
    expect(after.fromUpstream.packets).to.be.above(before.fromUpstream.packets);
    expect([after.fromClient.bytes, after.fromUpstream.bytes]).to.deep.equal([
      before.fromClient.bytes,
      before.fromUpstream.bytes,
    ]);
    expect((await bed.state()).state).to.equal('spliced');
    await bed.greet();
    await bed.closeBoth();
  });
});
