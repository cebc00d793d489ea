import { expect } from 'chai';
import { mock } from 'node:test';
import { ProxyError } from '../../../../common/errors.ts';
import type { SessionView } from '../../../../dataplane/core/session.ts';
import type { PipelineSession } from '../../../../dataplane/pipeline/session.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { type Harness, harness, retry } from '../../../support/pipeline.ts';
import { until } from '../../../support/until.ts';

const RESET = new ProxyError('PEER_RESET', 'reset by the test');
const refusedBy = (): ProxyError => new ProxyError('CONNECT_REFUSED', 'refused by the test');

/** Looks at it as at the time `now`. */
function expire(session: SessionView | undefined, now: number): void {
  (session as (SessionView & Pick<PipelineSession, 'expire'>) | undefined)?.expire(now);
}

describe('a session', () => {
  let pipeline: Harness;

  afterEach(async () => {
    await pipeline.sessions.close();
  });

  function start(...options: Parameters<typeof harness>): { client: FakeStream; session: SessionView } {
    pipeline = harness(...options);
    const client = new FakeStream();
    const session = pipeline.accept(client);
    if (!session) throw new Error('the session was refused');
    return { client, session };
  }

  it('joins the client with its cluster, both ways', () => {
    const { client, session } = start();
    const upstream = pipeline.cluster('cluster').last;
    client.says('question');
    upstream.says('answer');
    expect(upstream.written).to.deep.equal(['question']);
    expect(client.written).to.deep.equal(['answer']);
    expect(session.status).to.equal('CONNECTED');
    expect(session.counters.ingress).to.deep.equal({ bytes: 8, packets: 1, dropped: 0 });
    expect(session.counters.egress).to.deep.equal({ bytes: 6, packets: 1, dropped: 0 });
    expect(client.calls).to.include('connected');
  });

  it('passes ingress stages on the way in, egress stages on the way out', () => {
    const { client } = start({ ingress: ['in'], egress: ['out'] });
    client.says('a');
    pipeline.cluster('in').last.says('b');
    pipeline.cluster('cluster').last.says('c');
    pipeline.cluster('out').last.says('d');
    expect(pipeline.cluster('in').last.written).to.deep.equal(['a']);
    expect(pipeline.cluster('cluster').last.written).to.deep.equal(['b']);
    expect(pipeline.cluster('out').last.written).to.deep.equal(['c']);
    expect(client.written).to.deep.equal(['d']);
  });

  it('answers a client whose transform ended in order before the cluster was connected', async () => {
    let connect: () => void = () => undefined;
    pipeline = harness({ ingress: ['in'] });
    pipeline.cluster('cluster').wait = new Promise((resolve) => (connect = resolve));
    const client = new FakeStream();
    const session = pipeline.accept(client);
    const transform = pipeline.cluster('in').last;
    client.says('all');
    client.ends();
    transform.says('all');
    transform.ends();
    transform.closes();
    connect();
    await until('the cluster to be connected', () => session?.status === 'CONNECTED');
    const upstream = pipeline.cluster('cluster').last;
    upstream.says('answer');
    expect(upstream.written).to.deep.equal(['all']);
    expect(client.written).to.deep.equal(['answer']);
  });

  it('keeps half-close: the other direction goes on, then all ends in order', () => {
    const { client, session } = start();
    const upstream = pipeline.cluster('cluster').last;
    client.ends();
    expect(upstream.calls).to.include('end');
    upstream.says('late');
    upstream.ends();
    expect(client.written).to.deep.equal(['late']);
    expect(client.calls).to.include('end');
    client.closes();
    upstream.closes();
    expect(session.status).to.equal('DESTROYED');
    expect(session.reason).to.equal('OK');
    expect(client.calls).not.to.include('destroy');
    expect(upstream.calls).not.to.include('destroy');
    expect(pipeline.cluster('cluster').released).to.deep.equal([undefined]);
  });

  it('passes close codes on', () => {
    const { client } = start();
    client.ends({ code: 4001, message: 'bye' });
    expect(pipeline.cluster('cluster').last.endReason).to.deep.equal({ code: 4001, message: 'bye' });
  });

  for (const code of ['PEER_RESET', 'PROTOCOL_ERROR', 'TOO_LARGE'] as const) {
    it(`passes on to the other side that one broke off (${code})`, () => {
      const { client, session } = start();
      pipeline.cluster('cluster').last.closes(new ProxyError(code, 'by the test'));
      expect(client.destroyError?.code).to.equal(code);
      expect(session.reason).to.equal(code);
      expect(pipeline.ended).to.have.length(1);
    });
  }

  it('closes plainly what it ends itself', () => {
    const { client, session } = start();
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect(client.calls).to.include('destroy');
    expect(client.destroyError).to.equal(undefined);
  });

  it('tells a cluster of what its own endpoint failed with, and of nothing that others did', () => {
    const { client } = start({ ingress: ['in'] });
    client.closes(RESET);
    expect(pipeline.cluster('cluster').released).to.deep.equal([undefined]);
    const another = new FakeStream();
    pipeline.accept(another);
    pipeline.cluster('in').last.closes(RESET);
    expect(pipeline.cluster('in').released).to.deep.equal([undefined, RESET]);
    expect(pipeline.cluster('cluster').released).to.deep.equal([undefined, undefined]);
  });

  it('keeps what came with the session until its cluster is connected', async () => {
    pipeline = harness({ retry: retry({ retry_on: 'always', num_retries: 1, timeout: 5 }) });
    pipeline.cluster('cluster').plan = [refusedBy, () => new FakeStream()];
    const client = new FakeStream();
    pipeline.accept(client);
    const early = 'early'.repeat(4000);
    client.says(early);
    expect(client.calls).to.include('pause');
    await until('a stream', () => pipeline.cluster('cluster').streams.length === 1);
    expect(pipeline.cluster('cluster').last.written).to.deep.equal([early]);
    expect(client.calls).to.include('resume');
  });

  it('tells the client why it is refused when nothing connects', () => {
    pipeline = harness();
    pipeline.cluster('cluster').plan = [refusedBy];
    const client = new FakeStream();
    expect(pipeline.accept(client)).to.equal(undefined);
    expect(client.refusedWith?.code).to.equal('CONNECT_REFUSED');
    expect(pipeline.ended.map(({ reason }) => reason)).to.deep.equal(['CONNECT_REFUSED']);
  });

  it('refuses where no rule matches, and where the route is unknown', () => {
    pipeline = harness({}, {}, { match: { op: 'defined', path: '/nothing', ignore_case: false, apply: [] } });
    pipeline.accept(new FakeStream());
    expect(pipeline.ended.at(-1)?.reason).to.equal('NO_ROUTE');
    pipeline = harness({}, {}, { action: { rewrite: [], route: 'elsewhere' } });
    pipeline.accept(new FakeStream());
    expect(pipeline.ended.at(-1)?.reason).to.equal('UNKNOWN_ROUTE');
  });

  it('tries a missing cluster again as a failed connect', async () => {
    pipeline = harness({
      destination: 'missing',
      retry: retry({ retry_on: 'connect-failure', num_retries: 2, timeout: 1 }),
    });
    pipeline.accept(new FakeStream());
    await until('the end of the session', () => pipeline.ended.length === 1);
    expect(pipeline.ended[0]?.reason).to.equal('UNKNOWN_CLUSTER');
    expect(pipeline.ended[0]?.retries).to.equal(2);
  });

  it('gives up after num_retries', async () => {
    pipeline = harness({ retry: retry({ retry_on: 'connect-failure', num_retries: 2, timeout: 1 }) });
    pipeline.cluster('cluster').plan = [refusedBy];
    pipeline.accept(new FakeStream());
    await until('the end of the session', () => pipeline.ended.length === 1);
    expect(pipeline.cluster('cluster').requests.map(({ retry }) => retry)).to.deep.equal([false, true, true]);
  });

  it('does not retry a connect failure on retry_on disconnect', () => {
    pipeline = harness({ retry: retry({ retry_on: 'disconnect', num_retries: 2, timeout: 1 }) });
    pipeline.cluster('cluster').plan = [refusedBy];
    pipeline.accept(new FakeStream());
    expect(pipeline.ended).to.have.length(1);
  });

  for (const how of ['closes', 'ends'] as const) {
    it(`connects a stage again that ${how}, and keeps the client's stream and data`, async () => {
      const { client, session } = start({ retry: retry({ retry_on: 'disconnect', num_retries: 1, timeout: 5 }) });
      const first = pipeline.cluster('cluster').last;
      if (how === 'closes') first.closes(RESET);
      else first.ends();
      expect(session.status).to.equal('DISCONNECTED');
      client.says('meanwhile');
      await until('a second stream', () => pipeline.cluster('cluster').streams.length === 2);
      expect(pipeline.cluster('cluster').last.written).to.deep.equal(['meanwhile']);
      expect(session.status).to.equal('CONNECTED');
      expect(client.calls).not.to.include('end');
      first.closes(); // late: it is not the stage's stream any more
      expect(session.status).to.equal('CONNECTED');
    });
  }

  it('does not connect again what cannot be said again', () => {
    const { session } = start({ retry: retry({ retry_on: 'always', num_retries: 1, timeout: 1 }) });
    const upstream = pipeline.cluster('cluster').last;
    upstream.retriable = false;
    upstream.closes(RESET);
    expect(session.reason).to.equal('PEER_RESET');
  });

  it('does not connect again after the client has ended', () => {
    const { client, session } = start({ retry: retry({ retry_on: 'always', num_retries: 1, timeout: 1 }) });
    client.ends();
    pipeline.cluster('cluster').last.ends();
    expect(client.calls).to.include('end');
    expect(session.retries).to.equal(0);
  });

  it('aborts a connect under way when it is deleted', () => {
    pipeline = harness();
    pipeline.cluster('cluster').plan = [() => 'never'];
    const client = new FakeStream();
    const session = pipeline.accept(client);
    session?.destroy(new ProxyError('DELETED', 'by the test'));
    expect(pipeline.cluster('cluster').aborted?.code).to.equal('DELETED');
    expect(client.calls).to.include('destroy');
    expect(session?.status).to.equal('DESTROYED');
  });

  it('deletes at once', () => {
    const { client, session } = start();
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect(client.calls).to.include('destroy');
    expect(pipeline.cluster('cluster').last.calls).to.include('destroy');
    expect(session.reason).to.equal('DELETED');
    expect(pipeline.sessions.size).to.equal(0);
  });

  it('deletes at once what is only flushed any more', () => {
    const { client, session } = start();
    const upstream = pipeline.cluster('cluster').last;
    upstream.ends();
    upstream.closes();
    expect(session.status).to.equal('FINALIZING');
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect(client.calls).to.include('destroy');
    expect(session.status).to.equal('DESTROYED');
    expect(session.reason).to.equal('OK');
  });

  it('lets a client that does not end read what it was sent, though nothing is seen to move', () => {
    const { client, session } = start({ timeouts: { connect: 0, session: 0, half_close: 1, attempt: 0 } });
    const upstream = pipeline.cluster('cluster').last;
    upstream.says('answer');
    upstream.ends();
    upstream.closes();
    expire(session, performance.now()); // what has moved so far
    expire(session, performance.now() + 29_000);
    expect(client.calls).not.to.include('destroy');
    expire(session, performance.now() + 31_000);
    expect(client.calls).to.include('destroy');
    expect(session.status).to.equal('DESTROYED');
  });

  it('ends a cluster that was told of the end and says nothing more', () => {
    const { client, session } = start({ timeouts: { connect: 0, session: 0, half_close: 1000, attempt: 0 } });
    client.ends();
    client.closes();
    expire(session, performance.now() + 500);
    expect(session.status).to.equal('FINALIZING');
    expire(session, performance.now() + 1500);
    expect(pipeline.cluster('cluster').last.calls).to.include('destroy');
    expect(session.status).to.equal('DESTROYED');
  });

  describe('whose client was refused and does not close', () => {
    class StubbornStream extends FakeStream {
      override refuse(error: ProxyError): void {
        this.calls.push('refuse');
        this.refusedWith = error;
      }
    }
    let client: StubbornStream;
    let session: SessionView | undefined;

    beforeEach(() => {
      pipeline = harness();
      pipeline.cluster('cluster').plan = [refusedBy];
      client = new StubbornStream();
      session = pipeline.accept(client);
      expect(client.calls).to.include('refuse').and.not.include('destroy');
    });

    it('is deleted', () => {
      session?.destroy(new ProxyError('DELETED', 'by the test'));
      expect(client.calls).to.include('destroy');
      expect(session?.status).to.equal('DESTROYED');
    });

    it('has as long as others to flush', () => {
      expire(session, performance.now() + 29_000);
      expect(session?.status).to.equal('FINALIZING');
      expire(session, performance.now() + 31_000);
      expect(client.calls).to.include('destroy');
      expect(session?.reason).to.equal('CONNECT_REFUSED');
    });
  });

  it('ends when a side that cannot be told of an end has been silent', async () => {
    pipeline = harness({ timeouts: { connect: 0, session: 0, half_close: 1, attempt: 0 } });
    pipeline.cluster('cluster').plan = [() => new FakeStream({ halfClose: false })];
    const client = new FakeStream();
    const session = pipeline.accept(client);
    client.ends();
    expect(session?.status).to.equal('CONNECTED');
    await until('FINALIZING', () => session?.status === 'FINALIZING');
    expect(client.calls).to.include('end');
    client.closes();
    expect(session?.reason).to.equal('OK');
    expect(session?.status).to.equal('DESTROYED');
  });

  it('is over as soon as a cluster that cannot be told of an end has what was left for it', () => {
    pipeline = harness({ timeouts: { connect: 0, session: 0, half_close: 60_000, attempt: 0 } });
    const upstream = new FakeStream({ halfClose: false });
    upstream.room = false;
    pipeline.cluster('cluster').plan = [() => upstream];
    const client = new FakeStream();
    const session = pipeline.accept(client);
    client.says('a');
    client.says('b');
    client.closes();
    expect([session?.status, upstream.written]).to.deep.equal(['FINALIZING', ['a']]);
    upstream.drains();
    expect([session?.status, upstream.written]).to.deep.equal(['DESTROYED', ['a', 'b']]);
  });

  it('ends after its idle timeout, and not before', async () => {
    const { client, session } = start({ timeouts: { connect: 0, session: 0, half_close: 0, attempt: 0, idle: 300 } });
    client.says('x');
    await until('DESTROYED', () => session.status === 'DESTROYED');
    expect(session.reason).to.equal('IDLE_TIMEOUT');
    expect(session.elapsed).to.be.at.least(300);
  });

  it('has lasted for as long, though the clock was set back', () => {
    const { session } = start();
    const { elapsed, startedAt } = session;
    const clock = mock.method(Date, 'now', () => startedAt - 60_000);
    try {
      session.destroy(RESET);
    } finally {
      clock.mock.restore();
    }
    expect(session.status).to.equal('DESTROYED');
    expect(session.endedAt).to.be.below(startedAt);
    expect(session.elapsed).to.be.within(elapsed, 60_000);
    expect(session.elapsed).to.equal(session.elapsed);
  });

  it('ends after its longest time', async () => {
    const { session } = start({ timeouts: { connect: 0, session: 1, half_close: 0, attempt: 0 } });
    await until('DESTROYED', () => session.status === 'DESTROYED');
    expect(session.reason).to.equal('SESSION_TIMEOUT');
  });

  it('records a child that failed after its output had ended, and flushes the output', () => {
    const { client, session } = start();
    const upstream = pipeline.cluster('cluster').last;
    upstream.says('output');
    upstream.ends();
    upstream.closes(new ProxyError('CHILD_EXITED', 'status 1'));
    expect(client.written).to.deep.equal(['output']);
    expect(client.calls).not.to.include('destroy');
    client.closes();
    expect(session.reason).to.equal('CHILD_EXITED');
  });

  it('passes signals on in order with data, even before the client may be written to', () => {
    const { client } = start({ ingress: ['in'] });
    const upstream = pipeline.cluster('cluster').last;
    client.room = false;
    upstream.says('a');
    upstream.sends({ type: 'trailers', headers: ['x', 'y'] });
    expect(client.signals).to.deep.equal([]);
    client.drains();
    expect(client.signals).to.deep.equal([{ type: 'trailers', headers: ['x', 'y'] }]);
  });

  describe('limits', () => {
    it('refuses sessions above max_sessions, and takes them when there is room again', () => {
      const { session } = start({}, { max_sessions: 1 });
      const second = new FakeStream();
      expect(pipeline.accept(second)).to.equal(undefined);
      expect(second.refusedWith?.code).to.equal('LIMIT_EXCEEDED');
      expect(pipeline.refused).to.deep.equal(['LIMIT_EXCEEDED']);
      session.destroy(new ProxyError('DELETED', 'by the test'));
      expect(pipeline.accept(new FakeStream())).not.to.equal(undefined);
    });

    it("takes its protocol's limit where the configuration has none, and counts what it refuses", () => {
      pipeline = harness({}, {}, {}, { maxSessions: 1 });
      pipeline.accept(new FakeStream());
      expect(pipeline.accept(new FakeStream())).to.equal(undefined);
      expect(pipeline.refused).to.deep.equal(['LIMIT_EXCEEDED']);
    });

    it("has no limit where the configuration says so, whatever its protocol's is", () => {
      pipeline = harness({}, { max_sessions: 0 }, {}, { maxSessions: 1 });
      pipeline.accept(new FakeStream());
      expect(pipeline.accept(new FakeStream())).not.to.equal(undefined);
      expect(pipeline.refused).to.deep.equal([]);
    });

    it('refuses sessions above the rate', () => {
      start({}, { sessions_per_second: 1 });
      const second = new FakeStream();
      expect(pipeline.accept(second)).to.equal(undefined);
      expect(second.refusedWith?.code).to.equal('RATE_LIMITED');
    });

    it('holds a reliable client back that sends too fast, and loses nothing', async () => {
      const { client } = start({}, { bytes_per_second: 100 });
      client.says('x'.repeat(101));
      expect(client.calls).to.include('pause');
      await until('a call of resume', () => client.calls.includes('resume'));
      expect(pipeline.cluster('cluster').last.written.join('')).to.have.length(101);
    });

    it('drops what an unreliable client sends too fast, and counts it', () => {
      pipeline = harness({}, { datagrams_per_second: 2 });
      const client = new FakeStream({ framing: 'datagrams', reliable: false });
      const session = pipeline.accept(client);
      for (const text of ['1', '2', '3', '4']) client.says(text);
      expect(pipeline.cluster('cluster').last.written).to.deep.equal(['1', '2']);
      expect(session?.counters.ingress.dropped).to.equal(2);
    });
  });

  it('expires by a clock that never steps', () => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    try {
      const { session } = start({
        timeouts: { connect: 0, session: 3_600_000, half_close: 0, attempt: 0, idle: 3_600_000 },
      });
      mock.timers.setTime(86_400_000);
      mock.timers.tick(500); // looks at all sessions
      expect(session.status).to.equal('CONNECTED');
    } finally {
      mock.timers.reset();
    }
  });

  describe('mirrors', () => {
    it('copies what the client sends, and is not hurt when a copy fails', () => {
      const { client } = start({
        mirrors: [
          { cluster: 'copy', percent: 100 },
          { cluster: 'missing', percent: 100 },
          { cluster: 'never', percent: 0 },
        ],
      });
      client.says('a');
      const copy = pipeline.cluster('copy').last;
      expect(copy.written).to.deep.equal(['a']);
      expect(pipeline.cluster('never').streams).to.deep.equal([]);
      copy.says('ignored');
      copy.closes(RESET);
      client.says('b');
      expect(pipeline.cluster('cluster').last.written).to.deep.equal(['a', 'b']);
      expect(client.written).to.deep.equal([]);
    });

    it('copies from the beginning, whether the copy or the destination is connected first', async () => {
      let resolve = (): void => undefined;
      pipeline = harness({
        mirrors: [{ cluster: 'copy', percent: 100 }],
        retry: retry({ retry_on: 'always', num_retries: 1, timeout: 5 }),
      });
      const [cluster, copy] = [pipeline.cluster('cluster'), pipeline.cluster('copy')];
      cluster.plan = [refusedBy, () => new FakeStream()];
      copy.wait = new Promise((settle) => (resolve = settle));
      const client = new FakeStream();
      pipeline.accept(client);
      client.says('a');
      await until('a stream', () => cluster.streams.length === 1);
      client.says('b');
      client.ends();
      resolve();
      await until('a call of end', () => copy.last.calls.includes('end'));
      expect(copy.last.written).to.deep.equal(['a', 'b']);
    });

    it('does not wait for a copy that has no room, and keeps the newest for it', () => {
      const { client } = start({ mirrors: [{ cluster: 'copy', percent: 100 }] });
      const copy = pipeline.cluster('copy').last;
      copy.room = false;
      for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) client.says(text);
      expect(copy.written).to.deep.equal(['a']);
      copy.drains();
      client.says('g');
      expect(copy.written).to.deep.equal(['a', 'c', 'd', 'e', 'f', 'g']);
      expect(pipeline.cluster('cluster').last.written.join('')).to.equal('abcdefg');
    });

    it('ends its copies with the client', () => {
      const { client } = start({ mirrors: [{ cluster: 'copy', percent: 100 }] });
      client.ends();
      expect(pipeline.cluster('copy').last.calls).to.include('end');
    });
  });

  it('says once where messages lose their boundaries, in either direction', () => {
    const messages = { framing: 'datagrams', reliable: false } as const;
    pipeline = harness({ ingress: ['first'] });
    pipeline.cluster('cluster').plan = [() => new FakeStream(messages)];
    for (let round = 0; round < 3; round++) pipeline.accept(new FakeStream(messages));
    expect(pipeline.log.fields).to.deep.equal([{ listener: 'listener', from: 'listener', to: 'first' }]);
    pipeline.cluster('first').plan = [() => new FakeStream(messages)];
    pipeline.accept(new FakeStream(messages));
    expect(pipeline.log.fields).to.have.length(1);
    pipeline.accept(new FakeStream());
    expect(pipeline.log.fields.slice(1)).to.deep.equal([{ listener: 'listener', from: 'cluster', to: 'listener' }]);
    expect(pipeline.log.lines[0]).to.match(/^info: messages .*boundaries/u);
  });

  it('knows its rate of late', () => {
    const { client, session } = start();
    const now = performance.now();
    client.says('x'.repeat(3000));
    expire(session, now + 2000);
    expect(session.rate).to.be.closeTo(1500, 50);
    expire(session, now + 2500);
    expect(session.rate).to.be.closeTo(1500, 50);
    expire(session, now + 3000);
    expect(session.rate).to.equal(0);
  });

  it('keeps an ended session listed for track seconds', () => {
    const { session } = start({}, { track: 1 });
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect([...pipeline.sessions.list()].map(({ name, status }) => [name, status])).to.deep.equal([
      ['session-0', 'DESTROYED'],
    ]);
  });

  it('keeps the ended sessions listed that ended last, however many there are', () => {
    const { session: first } = start({}, { track: 1 });
    first.destroy(new ProxyError('DELETED', 'by the test'));
    for (let count = 0; count < 10_000; count++) {
      pipeline.accept(new FakeStream())?.destroy(new ProxyError('DELETED', 'by the test'));
    }
    const names = [...pipeline.sessions.list()].map(({ name }) => name);
    expect(names).to.have.length(10_000);
    expect([names[0], names.at(-1)]).to.deep.equal(['session-1', 'session-10000']);
  });

  describe('draining', () => {
    it('takes no new sessions, waits for the others, and ends those that are left', async () => {
      const { session } = start();
      const drained = pipeline.sessions.drain(30);
      const late = new FakeStream();
      expect(pipeline.accept(late)).to.equal(undefined);
      expect(late.refusedWith?.code).to.equal('DRAINED');
      await drained;
      expect(session.reason).to.equal('DRAINED');
    });

    it('ends where listeners become quiet after its time, and before the last session is over', async () => {
      pipeline = harness();
      const client = new (class extends FakeStream {
        override destroy(): void {
          this.calls.push('destroy');
        }
      })();
      pipeline.accept(client);
      let quiet: () => void = () => undefined;
      const drained = pipeline.sessions.drain(1, new Promise((resolve) => (quiet = resolve)));
      await until('its end', () => client.calls.includes('destroy'));
      quiet();
      await new Promise((resolve) => setImmediate(resolve));
      client.closes();
      await drained;
    });

    it('is over as soon as the last session is', async () => {
      const { session } = start();
      const drained = pipeline.sessions.drain(60_000);
      session.destroy(new ProxyError('DELETED', 'by the test'));
      await drained;
    });
  });
});
