/** When a pair is held on its way back: not while one of its ends may send what would be dropped. */
import { expect } from 'chai';
import { setImmediate as immediate } from 'node:timers/promises';
import { UNKNOWN } from '../../../../dataplane/offload/stream-pair.ts';
import type { Passage, SpliceState } from '../../../../dataplane/offload/passage.ts';
import { takeBack } from '../../../../dataplane/offload/way-back.ts';

/** How long the fake relays before it lets go, in ms. */
const BUSY = 50;

/** A pair of which everything is acknowledged but while `isBusy`. `relayed` is asked with each look, in ms since the start. */
function passage(
  relayed: (passed: number, asked: number) => readonly [number, number],
  isBusy: (passed: number) => boolean,
) {
  let asked = 0;
  const start = performance.now();
  const states: { readonly state: SpliceState | 'widen'; readonly at: number }[] = [];
  const passed = (): number => performance.now() - start;
  const leg = { info: { roundTrip: 0.1 }, move: () => undefined, wake: () => undefined, ask: () => (asked += 1) };
  const pair = {
    get relayed() {
      return relayed(passed(), asked);
    },
    halves: [UNKNOWN, UNKNOWN],
    changeBoth: ({ state }: { readonly state: SpliceState }) => void states.push({ state, at: passed() }),
    isAcked: () => !isBusy(passed()),
    sentBy: () => 0,
    stateOf: () => ({ shift: { value: 0 } }),
    withdraw: () => undefined,
  };
  const fake = {
    legs: [leg, leg],
    pair,
    limits: { drain: 10_000 },
    state: 'spliced' as SpliceState,
    until: async (look: () => boolean) => {
      while (!look()) await immediate();
      return undefined;
    },
  };
  return { passage: fake as unknown as Passage, states };
}

async function heldAt(
  relayed: (passed: number, asked: number) => readonly [number, number],
  isBusy: (passed: number) => boolean = () => false,
): Promise<number> {
  const { passage: taken, states } = passage(relayed, isBusy);
  expect(await takeBack(taken)).to.equal(undefined);
  expect(states.map(({ state }) => state)).to.deep.equal(['drain', 'hold', 'widen']);
  return states.find(({ state }) => state === 'hold')?.at ?? NaN;
}

describe('the way back of spliced connections', () => {
  it('waits until all that was sent is acknowledged', async () => {
    const held = await heldAt(
      (passed) => [passed, passed],
      (passed) => passed < BUSY,
    );
    expect(held).to.be.at.least(BUSY);
  });

  it('waits longer while only one end was told of no window', async () => {
    expect(await heldAt((passed) => [passed > 0.1 ? 1 : 0, 0])).to.be.at.least(5);
  });

  it('asks both for a word, which tells the other', async () => {
    const seen: number[] = [];
    await heldAt((_, asked) => {
      seen.push(asked);
      return [asked, asked];
    });
    expect([seen[0], ...new Set(seen.slice(1))]).to.deep.equal([0, 2]);
  });

  it('waits as long for two that have nothing to say', async () => {
    expect(await heldAt(() => [7, 7])).to.be.at.least(5);
  });
});
