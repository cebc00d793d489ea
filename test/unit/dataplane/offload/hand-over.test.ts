/** The last step of a hand-over: from where the kernel relays a pair. */
import { expect } from 'chai';
import { setImmediate as immediate } from 'node:timers/promises';
import { handOver } from '../../../../dataplane/offload/hand-over.ts';
import { HALF_FLAG, type Half } from '../../../../dataplane/offload/layout.ts';
import type { Leg } from '../../../../dataplane/offload/leg.ts';
import type { Passage } from '../../../../dataplane/offload/passage.ts';
import { type StreamPair, UNKNOWN } from '../../../../dataplane/offload/stream-pair.ts';
import { until } from '../../../support/until.ts';

const SENT = 1000;

class FakeLeg {
  readonly done: string[] = [];
  readonly info = { received: 0, roundTrip: 0 };
  readonly isQuiet = true;
  readonly unread = 0;
  readonly unsent = 0;
  fails: string | undefined;

  private does(what: string): void {
    this.done.push(what);
    if (this.fails === what) throw new Error(`no ${what}`);
  }

  halt = (): object => {
    this.does('halt');
    return { send: SENT, receive: 0, acked: 0, clock: 0, sendWindow: 1, receiveWindow: 1 };
  };
  freeze = (): void => this.does('freeze');
  park = (): void => this.does('park');
  ask = (): void => this.does('ask');
  unhalt = (): void => this.does('unhalt');
  forget = (): void => this.does('forget');
}

describe('the last step of a hand-over', () => {
  let legs: [FakeLeg, FakeLeg];
  let halves: [Half, Half];
  let passage: Passage;

  beforeEach(() => {
    legs = [new FakeLeg(), new FakeLeg()];
    halves = [0, 1].map((): Half => ({ ...UNKNOWN, flags: HALF_FLAG.seen })) as [Half, Half];
    const pair = {
      get halves() {
        return halves;
      },
      isNarrow: () => true,
      change: () => undefined,
      begin: () => undefined,
      stateOf: () => ({ timestamps: false }),
    };
    passage = {
      legs: legs as unknown as readonly [Leg, Leg],
      pair: pair as unknown as StreamPair,
      limits: { catchUp: 1000, narrow: 1000, freeze: 1000, acked: 60_000, drain: 1000 },
      state: 'observe',
      until: async (look) => {
        while (!look()) await immediate();
        return undefined;
      },
    };
  });

  it('does not wait until the last that was sent is acknowledged, and then has sockets forget it', async () => {
    const result = await handOver(passage, () => true);
    if (!('acked' in result)) throw new Error(result.message);
    expect(passage.state).to.equal('spliced');
    for (const { done } of legs) expect(done).to.deep.equal(['freeze', 'halt', 'park', 'ask']);
    halves = halves.map((half) => ({ ...half, acked: SENT })) as [Half, Half];
    await result.acked;
    for (const { done } of legs) expect(done.at(-1)).to.equal('forget');
  });

  it('tells of a socket that can not be told what was acknowledged', async () => {
    legs[1].fails = 'forget';
    halves = halves.map((half) => ({ ...half, acked: SENT })) as [Half, Half];
    const result = await handOver(passage, () => true);
    if (!('acked' in result)) throw new Error(result.message);
    expect(String(await result.acked.catch((error: unknown) => error))).to.contain('no forget');
  });

  it('leaves both to their sockets where one fails after they were parked', async () => {
    legs[1].fails = 'ask';
    const error: unknown = await handOver(passage, () => true).catch((thrown: unknown) => thrown);
    expect(String(error)).to.contain('no ask');
    await until('both', () => legs.every(({ done }) => done.at(-1) === 'unhalt'));
  });
});
