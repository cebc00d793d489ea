import { expect } from 'chai';
import { type TrafficTotals, TrafficWindow } from '../../../../dataplane/admin/traffic-window.ts';

/** A clock that goes on only where somebody waits, or the test says so. */
class FakeClock {
  at = 50_000;
  readonly waits: number[] = [];
  now(): number {
    return this.at;
  }
  wait(milliseconds: number): Promise<void> {
    this.waits.push(milliseconds);
    this.at += milliseconds;
    return Promise.resolve();
  }
}

describe('what has moved between two looks', () => {
  let clock: FakeClock;
  /** Bytes that have come by listener, as they stand at each ms. */
  let perMs: number;
  let live: number;
  let window: TrafficWindow;

  beforeEach(() => {
    clock = new FakeClock();
    perMs = 3;
    live = 0;
    const totals = (): TrafficTotals => {
      const moved = { bytes: perMs * clock.at, packets: clock.at };
      const sums = { active: live, ingress: moved, egress: { bytes: 0, packets: 0 } };
      return { listeners: new Map([['web', sums]]), clusters: new Map() };
    };
    window = new TrafficWindow(totals, clock);
  });

  const rate = async (): Promise<number> => Math.round((await window.look()).listeners[0]?.ingress.bytes ?? NaN);

  it('is that of sessions that have ended, too, and takes a second where nobody has looked', async () => {
    expect(await window.look()).to.deep.equal({
      listeners: [
        { name: 'web', sessions: 0, ingress: { bytes: 3000, packets: 1000 }, egress: { bytes: 0, packets: 0 } },
      ],
      clusters: [],
    });
    expect(clock.waits).to.deep.equal([1000]);
  });

  for (const [gap, wait] of [
    [1, undefined],
    [999, undefined],
    [5000, undefined],
    [9001, 1000],
    [60_000, 1000],
  ] as const) {
    it(`takes ${wait ?? 'no time'} with a look of ${gap} ms ago`, async () => {
      await rate();
      clock.at += gap;
      expect(await rate()).to.equal(3000);
      expect(clock.waits).to.deep.equal(wait === undefined ? [1000] : [1000, wait]);
    });
  }

  it('is never over less than a second, however often somebody looks', async () => {
    await rate();
    for (let look = 0; look < 50; look++) {
      clock.at += 100;
      expect(await rate()).to.equal(3000);
    }
    expect(clock.waits).to.deep.equal([1000]);
  });

  it('is nothing where sums have begun anew', async () => {
    await rate();
    clock.at += 2000;
    perMs = 0;
    live = 1;
    expect(await rate()).to.equal(0);
  });

  it('leaves out what neither lives nor moves', async () => {
    await rate();
    const { at } = clock;
    clock.at += 2000;
    await window.look();
    const still = new TrafficWindow(
      () => ({
        listeners: new Map([
          ['still', { active: 0, ingress: { bytes: at, packets: at }, egress: { bytes: 0, packets: 0 } }],
        ]),
        clusters: new Map(),
      }),
      clock,
    );
    expect((await still.look()).listeners).to.deep.equal([]);
  });
});
