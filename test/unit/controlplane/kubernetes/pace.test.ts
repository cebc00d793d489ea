import { expect } from 'chai';
import { Pace } from '../../../../controlplane/kubernetes/pace.ts';
import { until } from '../../../support/until.ts';

describe('work at a pace', () => {
  it('is done once for what is asked together, and again for what is asked while it is done', async () => {
    let done = 0;
    let release: () => void = () => undefined;
    const pace = new Pace({
      quiet: 1,
      work: async () => {
        done++;
        await new Promise<void>((resolve) => (release = resolve));
      },
      onError: () => undefined,
    });
    pace.ask();
    pace.ask();
    await until('the first', () => done === 1);
    pace.ask();
    pace.ask();
    release();
    await until('the second', () => done === 2);
    release();
    await pace.close();
    pace.ask();
    expect(done).to.equal(2);
  });

  it('goes on after a failure', async () => {
    const errors: unknown[] = [];
    let done = 0;
    const pace = new Pace({
      quiet: 1,
      work: () => {
        if (++done === 1) throw new Error('once');
      },
      onError: (error) => errors.push(error),
    });
    pace.ask();
    await until('the failure', () => errors.length === 1);
    pace.ask();
    await until('the next', () => done === 2);
    await pace.close();
    expect(pace.failed).to.equal(1);
    expect(pace.durations.counts.reduce((sum, count) => sum + count, 0)).to.equal(2);
  });

  it('rests after long work', async () => {
    const starts: number[] = [];
    const ends: number[] = [];
    const pace = new Pace({
      quiet: 1,
      work: () => {
        starts.push(performance.now());
        for (const end = performance.now() + 20; performance.now() < end;);
        ends.push(performance.now());
        if (starts.length === 1) pace.ask();
      },
      onError: () => undefined,
    });
    pace.ask();
    await until('the second', () => starts.length === 2);
    expect((starts[1] ?? 0) - (ends[0] ?? 0)).to.be.at.least(80);
    await pace.close();
  });
});
