import { expect } from 'chai';
import type { LoadBalancer } from '../../../../dataplane/core/load-balancer.ts';
import { createHashRing } from '../../../../dataplane/lb/hash-ring.ts';
import { hash32 } from '../../../../dataplane/lb/hash.ts';
import { keyOf } from '../../../../dataplane/lb/key.ts';
import { createMaglev } from '../../../../dataplane/lb/maglev.ts';
import { candidates, picks, seeded, type TestCandidate, tally } from './candidates.ts';

const KEYS = 20_000;
const keyed = (index: number): Record<string, string> => ({ key: `client-${index}` });
const assign = (balancer: LoadBalancer, list: readonly TestCandidate[]): (string | undefined)[] =>
  picks(balancer, list, KEYS, keyed);

/** The part of the keys that another endpoint has now. */
function moved(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((name, index) => name !== after[index]).length / before.length;
}

/** How far shares may lie from what weights say, and how much more may move than must. */
const POLICIES = [
  { name: 'HashRing', create: () => createHashRing(keyOf('/key'), 160), balance: 0.3, excess: 0 },
  { name: 'Maglev', create: () => createMaglev(keyOf('/key'), 65_537), balance: 0.06, excess: 0.05 },
];

for (const { name, create, balance, excess } of POLICIES) {
  describe(name, () => {
    it('sends a key to the same endpoint again, in every proxy, whatever the order of the endpoints', () => {
      const list = candidates(1, 2, 3, 4, 5);
      expect(assign(create(), [...list].reverse())).to.deep.equal(assign(create(), list));
    });

    it('does not look at names: places count', () => {
      const list = candidates(1, 1, 1, 1);
      const renamed = list.slice(1).map((each, index) => ({ ...each, name: `e${index}` }));
      const before = picks(create(), list, 1000, keyed);
      const balancer = create();
      const after = before.map((_, index) => balancer.pick(renamed, keyed(index))?.hashKey);
      const stayed = before.filter((each, index) => list.find((one) => one.name === each)?.hashKey === after[index]);
      expect(stayed.length / before.length).to.be.within(0.65 - excess, 0.85);
    });

    it('gives each about its share', () => {
      for (const weights of [Array<number>(10).fill(1), [1, 2, 3, 4], [10, 1, 1]]) {
        const counts = tally(assign(create(), candidates(...weights)));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        weights.forEach((weight, index) => {
          const share = (KEYS * weight) / total;
          expect(counts[`e${index}`], `share of e${index} of ${weights.join()}`).to.be.closeTo(share, share * balance);
        });
      }
    });

    it('moves about 1/n of the keys when one of n goes, and nothing but its own', () => {
      for (const count of [3, 10, 20]) {
        const list = candidates(...Array<number>(count).fill(1));
        const before = assign(create(), list);
        const after = assign(create(), list.slice(1));
        const others = before.map((each, index) => (each === 'e0' ? after[index] : each));
        expect(moved(before, after)).to.be.within(0.6 / count, 1.4 / count + excess);
        expect(moved(others, after), 'keys of the others that moved').to.be.at.most(excess);
      }
    });

    it('moves about 1/n of the keys when one joins, weights far apart included', () => {
      const list = candidates(1, 200, 200, 200, 200);
      const before = assign(create(), list.slice(0, 4));
      const after = assign(create(), list);
      expect(moved(before, after)).to.be.within(0.15, 0.35 + excess);
      expect(moved(before, assign(create(), list.slice(1, 4))), 'when the lightest goes').to.be.at.most(0.02 + excess);
    });

    it('moves nothing but the keys of an unusable endpoint, spreads those, and takes them back', () => {
      const list = candidates(1, 1, 1, 1);
      const balancer = create();
      const before = assign(balancer, list);
      list[1]!.usable = false;
      const during = assign(balancer, list);
      before.forEach((each, index) => {
        if (each !== 'e1') expect(during[index]).to.equal(each);
      });
      const heirs = tally(during.filter((_, index) => before[index] === 'e1'));
      const inherited = Object.values(heirs).reduce((sum, count) => sum + count, 0);
      for (const heir of ['e0', 'e2', 'e3']) expect((heirs[heir] ?? 0) / inherited, heir).to.be.closeTo(1 / 3, 0.15);
      list[1]!.usable = true;
      expect(assign(balancer, list)).to.deep.equal(before);
    });

    it('sends sessions without the key anywhere', () => {
      const counts = tally(picks(create(), candidates(1, 1), 2000));
      expect(counts['e0']).to.be.closeTo(1000, 200);
    });
  });
}

describe('HashRing', () => {
  it('keeps to its share where weights would make more points than a ring may have', () => {
    const counts = tally(picks(createHashRing(keyOf('/key'), 10_000), candidates(1000, 3000), KEYS, keyed));
    expect(counts['e0']).to.be.closeTo(KEYS / 4, KEYS / 40);
  });
});

describe('HashRing with more points than a ring may have', () => {
  it('makes no more of them for a thousand endpoints', () => {
    let points = 0;
    const list = candidates(...Array.from({ length: 1000 }, (_, index) => (index % 7) + 1)).map((each) => {
      // It is put into words for each point.
      const hashKey = { toString: () => (points++, each.hashKey) } as unknown as string;
      return { ...each, hashKey };
    });
    createHashRing(keyOf('/key'), 160).pick(list, { key: 'x' });
    expect(points).to.be.within(2 ** 16 - 1000, 2 ** 17 + 1000);
  });

  it('moves nothing but the keys of the endpoint that goes', () => {
    const create = (): LoadBalancer => createHashRing(keyOf('/key'), 10_000);
    const list = candidates(...Array<number>(6).fill(100));
    const before = assign(create(), list);
    const after = assign(create(), list.slice(1));
    expect(moved(before, after)).to.be.closeTo(1 / 6, 0.03);
    expect(after.filter((each, index) => before[index] !== 'e0' && before[index] !== each)).to.deep.equal([]);
  });
});

describe('Maglev', () => {
  it('takes a table size that is no prime for the next one that is', () => {
    const [even, prime] = [createMaglev(keyOf('/key'), 1000), createMaglev(keyOf('/key'), 1009)];
    const list = candidates(1, 1, 1);
    expect(picks(even, list, 500, keyed)).to.deep.equal(picks(prime, list, 500, keyed));
  });

  it('works with fewer slots than endpoints', () => {
    const list = candidates(...Array<number>(20).fill(1));
    const balancer = createMaglev(keyOf('/key'), 7);
    expect(Object.keys(tally(picks(balancer, list, 200, keyed)))).to.have.length(7);
  });
});

describe('the hash', () => {
  it('spreads texts that differ in one character over all 32 bits', () => {
    const buckets = new Uint32Array(64);
    for (let index = 0; index < 64_000; index++) buckets[hash32(`10.0.${index >> 8}.${index & 255}`) >>> 26]!++;
    for (const count of buckets) expect(count).to.be.within(850, 1150);
  });

  it('is the same for ever: rings of different proxies agree', () => {
    expect(hash32('').toString(16)).to.equal('ab3e7c0b');
    expect(hash32('a').toString(16)).to.equal('91e9da27');
    expect(hash32('ä').toString(16)).to.equal('12ca0103');
    expect(hash32('a', 1).toString(16)).to.equal('a9b18198');
  });
});

describe('the key of a session', () => {
  const metadata = {
    name: 'UDP:10.0.0.1:5000-10.0.0.2:6000-0',
    IP: { src_addr: '10.0.0.1', dst_addr: '10.0.0.2' },
    UDP: { src_port: 5000, dst_port: 6000 },
    'a/b': { 'c~d': [1, { e: true }] },
  };

  for (const [key, value] of Object.entries({
    '/IP/src_addr': '10.0.0.1',
    '/UDP/src_port': '5000',
    '/UDP': '{"src_port":5000,"dst_port":6000}',
    '/a~1b/c~0d/1/e': 'true',
    '/name': metadata.name,
    IP_src_addr: '10.0.0.1',
    'IP.src_addr': '10.0.0.1',
    UDP_src_port: '5000',
    src_addr: '10.0.0.1',
    dst_port: '6000',
    name: metadata.name,
  })) {
    it(`${key} is ${value}`, () => {
      expect(keyOf(key)(metadata)).to.equal(value);
    });
  }

  for (const key of [
    undefined,
    '',
    '<RANDOM>',
    '/IP/none',
    '/TCP/src_port',
    'none',
    'IP_none',
    '__proto__',
    '/toString',
  ]) {
    it(`${String(key)} is nothing`, () => {
      expect(keyOf(key)(metadata)).to.equal(undefined);
    });
  }
});

describe('a session without the key of a consistent balancer', () => {
  it('goes by weight', () => {
    const list = candidates(1, 3);
    for (const balancer of [
      createHashRing(keyOf('<RANDOM>'), 160, seeded()),
      createMaglev(keyOf(undefined), 251, seeded()),
    ]) {
      expect(tally(picks(balancer, list, 8000, keyed))['e0']).to.be.closeTo(2000, 200);
    }
  });
});
