import { expect } from 'chai';
import fc from 'fast-check';
import type { LoadBalancer as Config } from '../../../../gen/l7mp/config/v1/types.ts';
import { createLoadBalancer } from '../../../../dataplane/lb/index.ts';
import { createLeastSessions } from '../../../../dataplane/lb/least-sessions.ts';
import { createRandom } from '../../../../dataplane/lb/random.ts';
import { createRoundRobin } from '../../../../dataplane/lb/round-robin.ts';
import { createTrivial } from '../../../../dataplane/lb/trivial.ts';
import { candidates, picks, seeded, tally } from './candidates.ts';

const POLICIES = [
  'Trivial',
  'RoundRobin',
  'Random',
  'LeastSessions',
  'HashRing',
  'ConsistentHash',
  'Maglev',
] as const satisfies readonly Config['policy'][];

describe('every balancing policy', () => {
  for (const policy of POLICIES) {
    const create = (): ReturnType<typeof createLoadBalancer> =>
      createLoadBalancer({ policy, key: '/key', points: 16, table_size: 251 });

    it(`${policy}: picks a usable endpoint whenever there is one, and none where there is none`, () => {
      const endpoint = fc.record({ weight: fc.integer({ min: 1, max: 50 }), usable: fc.boolean() });
      fc.assert(
        fc.property(fc.array(endpoint, { maxLength: 8 }), fc.option(fc.string()), (endpoints, key) => {
          const list = candidates(...endpoints.map(({ weight }) => weight));
          endpoints.forEach(({ usable }, index) => (list[index]!.usable = usable));
          const picked = create().pick(list, key === null ? {} : { key });
          if (list.some(({ usable }) => usable)) expect(picked?.usable).to.equal(true);
          else expect(picked).to.equal(undefined);
        }),
        { numRuns: 200 },
      );
    });

    it(`${policy}: follows endpoints that come and go`, () => {
      const balancer = create();
      const three = candidates(1, 1, 1);
      expect(three).to.include(balancer.pick(three, { key: 'x' }));
      const one = three.slice(2);
      expect(balancer.pick(one, { key: 'x' })).to.equal(one[0]);
      expect(balancer.pick([], { key: 'x' })).to.equal(undefined);
    });
  }
});

describe('Trivial', () => {
  it('takes the first usable endpoint', () => {
    const list = candidates(1, 5, 5);
    expect(picks(createTrivial(), list, 2)).to.deep.equal(['e0', 'e0']);
    list[0]!.usable = false;
    expect(picks(createTrivial(), list, 2)).to.deep.equal(['e1', 'e1']);
  });
});

describe('RoundRobin', () => {
  it('takes them in turns', () => {
    expect(picks(createRoundRobin(), candidates(1, 1, 1), 6).join(' ')).to.equal('e0 e1 e2 e0 e1 e2');
  });

  it('spreads heavy ones among light ones', () => {
    expect(picks(createRoundRobin(), candidates(5, 1, 1), 7).join(' ')).to.equal('e0 e0 e1 e0 e2 e0 e0');
  });

  it('gives each its exact share in every round of picks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = tally(picks(createRoundRobin(), candidates(...weights), total * 2));
        weights.forEach((weight, index) => expect(counts[`e${index}`]).to.equal(weight * 2));
      }),
    );
  });

  it('keeps the turns of those that stay when another joins', () => {
    const balancer = createRoundRobin();
    const list = candidates(1, 1, 1);
    expect(picks(balancer, list.slice(0, 2), 3).join(' ')).to.equal('e0 e1 e0');
    expect(picks(balancer, list, 3).join(' ')).to.equal('e1 e2 e0');
  });

  it('passes over what is not usable, and takes it up again', () => {
    const balancer = createRoundRobin();
    const list = candidates(1, 1, 1);
    list[1]!.usable = false;
    expect(tally(picks(balancer, list, 4))).to.deep.equal({ e0: 2, e2: 2 });
    list[1]!.usable = true;
    expect(tally(picks(balancer, list, 6))).to.deep.equal({ e0: 2, e1: 2, e2: 2 });
  });
});

describe('Random', () => {
  it('picks by weight', () => {
    const counts = tally(picks(createRandom(seeded()), candidates(1, 2, 7), 20_000));
    expect(counts['e0']).to.be.closeTo(2000, 200);
    expect(counts['e1']).to.be.closeTo(4000, 250);
    expect(counts['e2']).to.be.closeTo(14_000, 400);
  });

  it('shares what an unusable one leaves among the others', () => {
    const list = candidates(1, 2, 7);
    list[2]!.usable = false;
    const counts = tally(picks(createRandom(seeded()), list, 9000));
    expect(counts['e0']).to.be.closeTo(3000, 250);
    expect(counts['e1']).to.be.closeTo(6000, 250);
  });

  it('reaches the first and the last', () => {
    const list = candidates(1, 1);
    expect(createRandom(() => 0).pick(list, {})?.name).to.equal('e0');
    expect(createRandom(() => 1 - Number.EPSILON).pick(list, {})?.name).to.equal('e1');
  });
});

describe('LeastSessions', () => {
  it('takes the one with the fewest sessions', () => {
    const list = candidates(1, 1, 1);
    [3, 1, 2].forEach((sessions, index) => (list[index]!.sessions = sessions));
    expect(createLeastSessions().pick(list, {})?.name).to.equal('e1');
  });

  it('takes any of equals', () => {
    const counts = tally(picks(createLeastSessions(seeded()), candidates(1, 1, 1), 9000));
    for (const name of ['e0', 'e1', 'e2']) expect(counts[name]).to.be.closeTo(3000, 250);
  });

  it('fills endpoints in the proportion of their weights', () => {
    const list = candidates(1, 2, 5);
    const balancer = createLeastSessions(seeded());
    for (let session = 0; session < 80; session++) {
      balancer.pick(list, {})!.sessions++;
    }
    expect(list.map(({ sessions }) => sessions)).to.deep.equal([10, 20, 50]);
  });
});
