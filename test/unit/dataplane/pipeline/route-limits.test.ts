/** Limits of routes: whom they refuse, and that they hold beside those of listeners. */
import { expect } from 'chai';
import { RouteCounts } from '../../../../dataplane/pipeline/route-limits.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { type Harness, harness, route } from '../../../support/pipeline.ts';

const NONE = { max_sessions: 0, sessions_per_second: 0, datagrams_per_second: 0, bytes_per_second: 0 };

describe('a route with limits', () => {
  let pipeline: Harness;

  afterEach(async () => {
    await pipeline.sessions.close();
  });

  const reasons = (): unknown[] => pipeline.ended.map(({ reason }) => reason);

  it('has so many sessions at once, and takes the next when one has ended', () => {
    pipeline = harness({ limits: { ...NONE, max_sessions: 1 } });
    const first = new FakeStream();
    pipeline.accept(first);
    const second = new FakeStream();
    pipeline.accept(second);
    expect(reasons()).to.deep.equal(['LIMIT_EXCEEDED']);
    expect(pipeline.cluster('cluster').streams).to.have.length(1);
    first.closes();
    pipeline.cluster('cluster').last.closes();
    pipeline.accept(new FakeStream());
    expect(pipeline.cluster('cluster').streams).to.have.length(2);
  });

  it('takes so many a second', () => {
    pipeline = harness({ limits: { ...NONE, sessions_per_second: 2 } });
    for (let count = 0; count < 3; count++) pipeline.accept(new FakeStream());
    expect(reasons()).to.deep.equal(['RATE_LIMITED']);
  });

  it('has datagrams dropped, by its own rate and by its listener’s', () => {
    const passed = (ofRoute: number, ofListener: number): number => {
      pipeline = harness(
        { limits: { ...NONE, datagrams_per_second: ofRoute } },
        { datagrams_per_second: ofListener, queue_limit: 100 },
      );
      const client = new FakeStream({ framing: 'datagrams', reliable: false });
      pipeline.accept(client);
      for (let count = 0; count < 10; count++) client.says('x');
      return pipeline.cluster('cluster').last.written.length;
    };
    expect([passed(3, 0), passed(3, 5), passed(5, 3), passed(0, 3), passed(0, 0)]).to.deep.equal([3, 3, 3, 3, 10]);
  });

  it('keeps its counts when it is another object of the same name', () => {
    pipeline = harness();
    const counts = new RouteCounts();
    const limited = (): ReturnType<typeof route> => route({ limits: { ...NONE, max_sessions: 1 } });
    const [one, two, resumed] = [{}, {}, {}];
    expect(counts.take(one, limited(), true)).to.equal(undefined);
    expect(counts.take(two, limited(), true)?.code).to.equal('LIMIT_EXCEEDED');
    expect(counts.take(resumed, limited(), false)).to.equal(undefined);
    counts.left(two);
    counts.left(one);
    counts.left(one);
    expect(counts.take(two, limited(), true)?.code).to.equal('LIMIT_EXCEEDED');
    counts.left(resumed);
    expect(counts.take(two, limited(), true)).to.equal(undefined);
  });

  it('forgets routes that say nothing any more, and none that do', () => {
    pipeline = harness();
    const counts = new RouteCounts();
    const limits = { ...NONE, max_sessions: 1 };
    const held = {};
    counts.take(held, route({ name: 'held', limits }), true);
    for (let index = 0; index < 5000; index++) {
      const session = {};
      counts.take(session, route({ name: `route-${index}`, limits }), true);
      counts.left(session);
    }
    expect(counts.size).to.be.below(1001);
    expect(counts.take({}, route({ name: 'held', limits }), true)?.code).to.equal('LIMIT_EXCEEDED');
  });
});
