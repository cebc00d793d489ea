import { expect } from 'chai';
import { WorkQueue } from '../../../../../controlplane/kubernetes/runtime/work-queue.ts';
import { until } from '../../../../support/until.ts';

/** Work that ends when the test says so. */
function held(): { begun: string[]; work: (key: string) => Promise<void>; end: () => void } {
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const work = (key: string): Promise<void> => {
    begun.push(key);
    return new Promise((resolve) => ends.push(resolve));
  };
  return { begun, work, end: () => ends.shift()?.() };
}

describe('controlplane/kubernetes/runtime/work-queue', () => {
  let queue: WorkQueue;
  afterEach(() => queue.close());

  it('works on a key once at a time, and once more for all that came meanwhile', async () => {
    const { begun, work, end } = held();
    queue = new WorkQueue({ work, concurrency: 2 });
    for (const key of ['a', 'a', 'b', 'c', 'c']) queue.add(key);
    expect(begun).to.deep.equal(['a', 'b']);
    queue.add('a');
    queue.add('a');
    end();
    await until('the next', () => begun.length === 3);
    expect(begun).to.deep.equal(['a', 'b', 'c']);
    end();
    await until('the next', () => begun.length === 4);
    expect(begun).to.deep.equal(['a', 'b', 'c', 'a']);
    end();
    end();
    await queue.idle();
    expect(queue.length).to.equal(0);
  });

  it('counts how long work takes, and how often it fails', async () => {
    let tries = 0;
    const work = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (++tries < 3) throw new Error('not yet');
    };
    queue = new WorkQueue({ work, firstRetryMs: 1 });
    queue.add('a');
    await queue.idle();
    expect(queue.failed).to.equal(2);
    expect(queue.durations.counts.reduce((sum, count) => sum + count, 0)).to.equal(3);
    expect(queue.durations.sum).to.be.above(0);
  });

  it('waits longer with each failure of a key, and not after a success', async () => {
    const times: number[] = [];
    const failures: number[] = [];
    queue = new WorkQueue({
      work: () => (times.push(performance.now()) % 5 === 0 ? Promise.resolve() : Promise.reject(new Error('no'))),
      onFailure: (_key, _error, count) => failures.push(count),
      firstRetryMs: 20,
    });
    queue.add('a');
    await queue.idle();
    expect(failures).to.deep.equal([1, 2, 3, 4]);
    expect(times[4]! - times[3]!).to.be.above(79); // at least half of 160
    queue.add('a');
    await queue.idle();
    expect(failures.slice(4)).to.deep.equal([1, 2, 3, 4]);
  });

  it('does not let a key that fails hold up others, and works on it at once if it is added', async () => {
    const begun: string[] = [];
    let bad = true;
    queue = new WorkQueue({
      work: (key) => {
        begun.push(key);
        return key === 'bad' && bad ? Promise.reject(new Error('no')) : Promise.resolve();
      },
      firstRetryMs: 60_000,
    });
    queue.add('bad');
    queue.add('good');
    await until('both', () => begun.length === 2);
    bad = false;
    queue.add('bad');
    await queue.idle();
    expect(begun).to.deep.equal(['bad', 'good', 'bad']);
  });

  it('begins no more than its rate, after a burst', async () => {
    const times: number[] = [];
    queue = new WorkQueue({ work: () => Promise.resolve(void times.push(performance.now())), perSecond: 20 });
    for (let number = 0; number < 24; number++) queue.add(`${number}`);
    await queue.idle();
    expect(times).to.have.length(24);
    expect(times[19]! - times[0]!).to.be.below(150);
    expect(times[23]! - times[0]!).to.be.within(150, 1000);
  });

  it('forgets a key that is dropped while it fails', async () => {
    let fail = (): void => {};
    let begun = 0;
    queue = new WorkQueue({
      work: () => (begun++, new Promise((_, reject) => (fail = () => reject(new Error('no'))))),
      onFailure: (key) => queue.drop(key),
      firstRetryMs: 1,
    });
    queue.add('a');
    fail();
    await queue.idle();
    expect(queue.length).to.equal(0);
    expect(begun).to.equal(1);
  });

  it('closes once what runs has ended, and begins nothing more', async () => {
    let told = false;
    const begun: string[] = [];
    queue = new WorkQueue({
      work: (key, signal) => {
        begun.push(key);
        return new Promise((resolve) =>
          signal.addEventListener('abort', () => setTimeout(() => resolve(void (told = true)), 5)),
        );
      },
    });
    queue.add('a');
    queue.add('b');
    await queue.close();
    expect(told).to.equal(true);
    queue.add('c');
    expect(begun).to.deep.equal(['a']);
  });
});
