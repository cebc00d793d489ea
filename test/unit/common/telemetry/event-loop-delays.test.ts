/** Windows of the event loop's delay, by a clock that the test moves. */
import { expect } from 'chai';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { EventLoopDelays } from '../../../../common/telemetry/event-loop-delays.ts';

describe("the event loop's delay", () => {
  let now: number;
  let monitors: RecordableHistogram[];
  let delays: EventLoopDelays;
  const sample = (delay: number): void => monitors.forEach((each) => each.record(delay));
  const max = (): number => (delays.recent().count === 0 ? 0 : delays.recent().max);

  beforeEach(() => {
    [now, monitors] = [0, []];
    const monitor = (): RecordableHistogram => {
      const histogram = createHistogram();
      monitors.push(histogram);
      return histogram;
    };
    delays = new EventLoopDelays(monitor, () => now);
  });

  it('is the same for each that reads, and is not lost by reading', () => {
    sample(500);
    for (let reader = 0; reader < 3; reader++) expect([max(), delays.recent().count]).to.deep.equal([500, 1]);
    now += 30_000;
    sample(7);
    for (let reader = 0; reader < 3; reader++) expect([max(), delays.recent().count]).to.deep.equal([500, 2]);
  });

  it('is seen by whoever reads once a minute, and over after two', () => {
    for (now = 0; now <= 300_000; now += 5000) {
      if (now === 102_000 - (102_000 % 5000)) sample(500);
      else sample(1);
      const age = now - 100_000;
      if (age >= 0 && age <= 60_000) expect(max(), String(now)).to.equal(500);
      if (age < 0 || age > 120_000) expect(max(), String(now)).to.equal(1);
    }
  });
});
