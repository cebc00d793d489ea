import { expect } from 'chai';
import type { Retry } from '../../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../../common/errors.ts';
import { stopClock } from '../../../support/cluster.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { type FakeCluster, type Harness, harness, retry } from '../../../support/pipeline.ts';
import { until } from '../../../support/until.ts';

const refused = (): ProxyError => new ProxyError('CONNECT_REFUSED', 'refused by the test');
const reset = (): ProxyError => new ProxyError('PEER_RESET', 'reset by the test');

/** What goes wrong, and which `retry_on` asks for another attempt then. */
const FAILURES: Record<
  string,
  [plan: (cluster: FakeCluster) => void, fail: (stream: FakeStream) => void, on: Retry['retry_on'][]]
> = {
  'a connect fails': [
    (cluster) => (cluster.plan = [refused, () => new FakeStream()]),
    () => undefined,
    ['always', 'connect-failure'],
  ],
  'an endpoint closes': [() => undefined, (stream) => stream.closes(reset()), ['always', 'disconnect']],
  'an endpoint ends the stream': [() => undefined, (stream) => stream.ends(), ['always', 'disconnect']],
};

describe('A retry', () => {
  let pipeline: Harness;

  afterEach(async () => {
    await pipeline.sessions.close();
  });

  for (const [what, [plan, fail, wanted]] of Object.entries(FAILURES)) {
    for (const retry_on of ['never', 'always', 'connect-failure', 'disconnect'] as const) {
      const again = wanted.includes(retry_on);
      it(`${again ? 'is made' : 'is not made'} on ${retry_on} where ${what}`, async () => {
        pipeline = harness({ retry: retry({ retry_on, num_retries: 1, timeout: 1 }) });
        const cluster = pipeline.cluster('cluster');
        plan(cluster);
        const client = new FakeStream();
        const session = pipeline.accept(client);
        const [first] = cluster.streams;
        if (first) fail(first);
        if (!again) {
          expect(cluster.requests).to.have.length(1);
          return;
        }
        await until('a second connection', () => session?.status === 'CONNECTED' && cluster.requests.length === 2);
        expect(cluster.requests.map(({ retry }) => retry)).to.deep.equal([false, true]);
        expect(session?.retries).to.equal(1);
        client.says('on');
        expect(cluster.last.written).to.deep.equal(['on']);
      });
    }
  }

  it('waits for its timeout after an endpoint that breaks at once, and not after one that worked', async () => {
    const clock = stopClock();
    try {
      pipeline = harness({ retry: retry({ retry_on: 'disconnect', num_retries: 1, timeout: 1000 }) });
      pipeline.accept(new FakeStream());
      const cluster = pipeline.cluster('cluster');
      cluster.last.closes(reset());
      await clock.tick(999);
      expect(cluster.streams).to.have.length(1);
      await clock.tick(1);
      expect(cluster.streams).to.have.length(2);
      await clock.tick(1000);
      cluster.last.closes(reset());
      await clock.tick(1);
      expect(cluster.streams).to.have.length(3);
    } finally {
      clock.restore();
    }
  });

  it('goes to another endpoint at once, and pauses before it goes to the same ones again', async () => {
    const clock = stopClock();
    try {
      pipeline = harness({ retry: retry({ retry_on: 'connect-failure', num_retries: 9, timeout: 1000 }) });
      const cluster = pipeline.cluster('cluster');
      cluster.endpoints = ['a', 'b', 'c'];
      cluster.plan = [refused];
      pipeline.accept(new FakeStream());
      await clock.tick(1);
      await clock.tick(1);
      await clock.tick(1);
      expect(cluster.requests).to.have.length(3);
      await clock.tick(996);
      expect(cluster.requests).to.have.length(3);
      for (let round = 0; round < 4; round++) await clock.tick(2);
      expect(cluster.requests).to.have.length(6);
    } finally {
      clock.restore();
    }
  });

  it('pauses where no endpoint was tried, though there are others', async () => {
    const clock = stopClock();
    try {
      pipeline = harness({ retry: retry({ retry_on: 'always', num_retries: 9, timeout: 1000 }) });
      const cluster = pipeline.cluster('cluster');
      cluster.endpoints = ['a', 'b'];
      cluster.open = (request) => {
        cluster.requests.push(request);
        throw new ProxyError('CIRCUIT_OPEN', 'full');
      };
      pipeline.accept(new FakeStream());
      await clock.tick(999);
      expect(cluster.requests).to.have.length(1);
    } finally {
      clock.restore();
    }
  });

  it('is made by each stage for itself', async () => {
    pipeline = harness({ ingress: ['in'], retry: retry({ retry_on: 'always', num_retries: 1, timeout: 1 }) });
    pipeline.accept(new FakeStream());
    const [inner, outer] = [pipeline.cluster('in'), pipeline.cluster('cluster')];
    outer.last.closes(reset());
    await until('a second stream', () => outer.streams.length === 2);
    inner.last.closes(reset());
    await until('a second stream', () => inner.streams.length === 2);
    expect(outer.streams).to.have.length(2);
    inner.last.says('whole');
    expect(outer.last.written).to.deep.equal(['whole']);
  });

  const timeouts: Record<string, [connect: number, ofCluster: number, expected: number]> = {
    "takes the cluster's connect timeout": [100, 50, 50],
    "takes the route's, where the cluster has none": [100, 0, 100],
    'takes the retry timeout, where neither has one': [0, 0, 10],
  };
  for (const [what, [connect, connect_timeout, expected]] of Object.entries(timeouts)) {
    it(what, () => {
      pipeline = harness({ timeouts: { connect, session: 0, half_close: 0, attempt: 0 } });
      const cluster = pipeline.cluster('cluster');
      Object.assign(cluster.config, { connect_timeout });
      pipeline.accept(new FakeStream());
      expect(cluster.requests[0]?.timeout).to.equal(expected);
    });
  }
});
