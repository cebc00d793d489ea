/** Spliced connections over wires that lose, double and reorder, while they are handed over, relayed and given back. */
import { expect } from 'chai';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { namespace, type Place, putWire, WIRE } from './lab.ts';
import { FOUR, SIX, SpliceBed } from './splice-bed.ts';

type Fates = Readonly<Record<'lose' | 'double' | 'late' | 'mark', number>>;

const TCP = 6;
const REORDERS = { protocol: TCP, lose: 0, double: 10, late: 10 };
const LOSES = { protocol: TCP, lose: 2, double: 5, late: 5 };

describe(`spliced TCP connections over bad wires, with ${versionOf(PYTHON, '--version')} and ${versionOf('ip', '-V')}`, () => {
  let bed: SpliceBed;
  let wire: Peer | undefined;

  beforeEach(() => {
    bed = new SpliceBed();
  });
  afterEach(async () => {
    await wire?.stop();
    wire = undefined;
    await bed.close();
  });

  const lay = async (sides: readonly [Place, Place], shares: object): Promise<void> => {
    putWire(sides);
    wire = new Peer('ip', ['netns', 'exec', namespace('wire'), PYTHON, '-c', WIRE, JSON.stringify(shares)]);
    await wire.output(/ready/u);
  };

  const fates = async (): Promise<Fates> => {
    wire?.endInput();
    expect(await wire?.exit, wire?.stderr).to.equal(0);
    return (JSON.parse(wire?.stdout.replace('ready', '') ?? '') as { fates: Fates }).fates;
  };

  for (const [what, shares] of [
    ['doubles and reorders', REORDERS],
    ['loses, too', LOSES],
  ] as const) {
    for (const [side, places, sides] of [
      ["the client's, IPv4", FOUR, ['client', 'proxy']],
      ["the server's, IPv6", SIX, ['proxy', 'server']],
    ] as const) {
      it(`takes a bulk transfer both ways over, and back, again and again where a wire ${what}, ${side}`, async () => {
        await lay(sides, shares);
        await bed.connect(places, ['endless=1']);
        await bed.carriesBulk(2);
        const { lose, double, late } = await fates();
        expect(Math.min(double, late)).to.be.above(10);
        if (shares.lose > 0) expect(lose).to.be.above(10);
      });
    }
  }
});
