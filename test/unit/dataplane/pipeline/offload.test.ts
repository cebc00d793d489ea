/** What sessions tell of their packets, and how they count those that the kernel relays. */
import { expect } from 'chai';
import { Socket } from 'node:net';
import { ProxyError } from '../../../../common/errors.ts';
import type { Route } from '../../../../gen/l7mp/config/v1/types.ts';
import type { Flow, LeftPair, OffloadRefusal, SessionNote } from '../../../../dataplane/core/offload.ts';
import type { KernelPath, KeptSessions } from '../../../../dataplane/core/kernel-path.ts';
import type { PipelineSession } from '../../../../dataplane/pipeline/session.ts';
import { FakeStream } from '../../../support/fake-stream.ts';
import { type Harness, harness, retry } from '../../../support/pipeline.ts';
import { until } from '../../../support/until.ts';

const flowTo = (address: string): Flow => ({
  transport: 'udp',
  local: { address: '10.0.0.1', port: 1 },
  remote: { address, port: 2 },
});
const udp = (flow: Flow | string): FakeStream =>
  new FakeStream({ framing: 'datagrams', reliable: false, halfClose: false, flow });

/** Keeps what it is told. */
class FakeKernel implements KernelPath {
  readonly told: string[] = [];
  readonly rates: number[] = [];
  kept: KernelPath['kept'];
  /** What `recall` waits for. */
  recalling: Promise<OffloadRefusal | undefined> | undefined;
  /** What `refresh` finds. */
  found: (session: PipelineSession, now: number) => void = () => undefined;
  /** What `release` waits for. */
  releasing: Promise<void> | undefined;
  /** What `release` does, while the session's streams are as they were. */
  onRelease: (session: PipelineSession) => void = () => undefined;

  mayTake({ offloadPolicy, flowEnds }: PipelineSession): boolean {
    return offloadPolicy.policy !== 'never' && !('reason' in flowEnds);
  }

  sweep(): void {
    this.told.push('sweep');
  }

  refresh(session: PipelineSession, now: number): void {
    this.told.push('refresh');
    this.found(session, now);
  }

  measured(_session: PipelineSession, packetsPerSecond: number): void {
    this.rates.push(packetsPerSecond);
  }

  recall(): Promise<OffloadRefusal | undefined> | undefined {
    this.told.push('recall');
    return this.recalling;
  }

  release(session: PipelineSession): Promise<void> | undefined {
    this.told.push('release');
    this.onRelease(session);
    return this.releasing;
  }

  view(): { state: 'kernel' } {
    return { state: 'kernel' };
  }
}

describe('a session and the kernel', () => {
  let pipeline: Harness;
  let kernel: FakeKernel;
  const client = flowTo('10.0.0.2');
  const upstream = flowTo('10.0.0.3');

  beforeEach(() => (kernel = new FakeKernel()));
  afterEach(async () => {
    await pipeline.sessions.close();
  });

  function start(
    routed: Parameters<typeof harness>[0] = {},
    options: Parameters<typeof harness>[1] = {},
    streams: readonly [FakeStream, FakeStream] = [udp(client), udp(upstream)],
    isAskedFor = true,
  ): PipelineSession {
    pipeline = harness(routed, options, {}, {}, isAskedFor ? kernel : undefined);
    pipeline.cluster('cluster').plan = [() => streams[1]];
    return pipeline.accept(streams[0]) as PipelineSession;
  }

  it('has flows where both sides are UDP, and nothing is between', () => {
    expect(start().flowEnds).to.deep.equal({ client, upstream });
  });

  const tcp = new FakeStream();
  const cases: readonly [string, Parameters<typeof start>, string, string][] = [
    [
      'the client is no UDP',
      [{}, {}, [tcp, udp(upstream)]],
      'protocol',
      'found a stream of bytes at listener listener',
    ],
    ['the cluster is no UDP', [{}, {}, [udp(client), tcp]], 'protocol', 'found a stream of bytes at cluster cluster'],
    [
      'a side has a reason',
      [{}, {}, [udp('a lock'), udp(upstream)]],
      'protocol',
      'UDP or TCP on both sides, found a lock at',
    ],
    ['there is an ingress stage', [{ ingress: ['a'] }], 'transform', 'one cluster on its way, found a, cluster'],
    ['there is an egress stage', [{ egress: ['b'] }], 'transform', 'one cluster on its way, found cluster, b'],
    ['there is a mirror', [{ mirrors: [{ cluster: 'm', percent: 100 }] }], 'mirror', 'expected no mirrors, found m'],
    ['datagrams are limited', [{}, { datagrams_per_second: 1e9 }], 'rate-limit', 'datagrams_per_second'],
    ['bytes are limited', [{}, { bytes_per_second: 1e9 }], 'rate-limit', 'bytes_per_second'],
  ];
  for (const [what, parameters, reason, message] of cases) {
    it(`has none where ${what}`, () => {
      const ends = start(...parameters).flowEnds;
      expect(ends).to.include({ reason });
      expect((ends as { message: string }).message).to.contain(message);
    });
  }

  it('is called back for a tap, and not offered as long as there is one', async () => {
    const session = start();
    const second = (): void => session.expire(performance.now() + 1000 * ++seconds);
    let seconds = 0;
    second();
    const offered = kernel.rates.length;
    expect(offered).to.be.above(0);
    kernel.recalling = Promise.resolve({ reason: 'state', message: 'one side has closed' });
    const heard: string[] = [];
    const ear = {
      side: 'client' as const,
      directions: new Set(['in' as const]),
      wants: () => true,
      data: () => undefined,
      signal: () => undefined,
      end: () => undefined,
      closed: () => undefined,
      unheard: (_session: unknown, why: string) => void heard.push(why),
    };
    const stop = pipeline.sessions.taps.listen(ear);
    expect(kernel.told).to.include('recall');
    second();
    expect(kernel.rates).to.have.length(offered);
    await until('why it stays', () => heard.length === 1);
    expect(heard).to.deep.equal(['one side has closed']);
    stop();
    second();
    expect(kernel.rates).to.have.length(offered + 1);
  });

  describe('over connections', () => {
    const stream = (address: string, more: object = {}): FakeStream => {
      const flow = { ...flowTo(address), transport: 'tcp' } as const;
      return Object.assign(new FakeStream({ flow }), { tcpSocket: new Socket() }, more);
    };
    const framesOf = (protocol: string, areWhole = true) => {
      const bare = new FakeStream();
      const frames = {
        protocol,
        areWhole,
        isFollowed: false,
        follow: () => void (frames.isFollowed = true),
        lift: () => bare,
      };
      return { bare, frames };
    };
    const retried = (retry_on: 'always' | 'never') => ({ retry: retry({ retry_on, num_retries: 1, timeout: 1000 }) });
    const begin = (one: object, other: object, retry_on: 'always' | 'never' = 'never') =>
      start(retried(retry_on), {}, [stream('10.0.0.2', one), stream('10.0.0.3', other)]);

    it('has flows where both sides have the same frames, or none', () => {
      expect(begin({}, {}).flowEnds).to.have.property('sockets');
      expect(begin(framesOf('A'), framesOf('A')).flowEnds).to.have.property('sockets');
    });

    it('has none where frames are of one side alone', () => {
      const ends = begin(framesOf('A'), {}).flowEnds;
      expect(ends).to.include({ reason: 'protocol' });
      expect((ends as { message: string }).message).to.contain('found A at listener listener and bytes without frames');
    });

    describe('has its frames followed', () => {
      const never = { offload: { policy: 'never', threshold: 0, byte_threshold: 0 } } as const;
      const followed: readonly [
        string,
        boolean,
        Parameters<typeof retried>[0],
        Parameters<typeof start>[1],
        string,
        boolean,
      ][] = [
        ['from the first on where the kernel may be given them', true, 'never', {}, 'A', true],
        ['not where its cluster is connected again', false, 'always', {}, 'A', true],
        ['not where its listener has it stay', false, 'never', never, 'A', true],
        ['not where those of its cluster are others', false, 'never', {}, 'B', true],
        ['not where kernel offload is not asked for', false, 'never', {}, 'A', false],
      ];
      for (const [when, expected, retry_on, options, protocol, isAskedFor] of followed) {
        it(when, () => {
          const [here, there] = [framesOf('A'), framesOf(protocol)];
          start(retried(retry_on), options, [stream('10.0.0.2', here), stream('10.0.0.3', there)], isAskedFor);
          expect([here, there].map(({ frames: { isFollowed } }) => isFollowed)).to.deep.equal([expected, expected]);
        });
      }
    });

    it('has none where its cluster is connected again, but where it can not be', () => {
      expect(begin({}, {}, 'always').flowEnds).to.include({ reason: 'retry' });
      expect(begin({}, { retriable: false }, 'always').flowEnds).to.have.property('sockets');
    });

    it('is settled where nothing waits on the way', () => {
      const streams = [stream('10.0.0.2'), stream('10.0.0.3')] as const;
      const session = start({}, {}, streams);
      expect(session.settle()).to.equal(true);
      pipeline.cluster('cluster').last.room = false;
      streams[0].says('x');
      expect(session.settle()).to.equal(false);
    });

    it('leaves frames to its ends once those of both sides are whole, and passes bytes from then on', () => {
      const [here, there] = [framesOf('A'), framesOf('A', false)];
      const session = begin({ ...here, httpStatus: 101 }, there);
      expect(session.settle()).to.equal(false);
      expect(here.bare.calls).to.deep.equal([]);
      there.frames.areWhole = true;
      expect(session.settle()).to.equal(false);
      expect(session.settle()).to.equal(true);
      for (const { bare } of [here, there]) expect(bare.calls).to.deep.equal(['open', 'resume']);
      here.bare.says('from the client');
      there.bare.says('from the cluster');
      expect([here.bare.written, there.bare.written]).to.deep.equal([['from the cluster'], ['from the client']]);
      expect(session.counters.ingress.bytes).to.equal('from the client'.length);
      expect(session.events.map(({ event }) => event)).to.include('BYTES');
      expect(session.httpStatus).to.equal(101);
      here.bare.closes();
      there.bare.closes();
      expect(session.status).to.equal('DESTROYED');
    });
  });

  describe('that an earlier process has left', () => {
    const half = (packets: number): { packets: number; bytes: number; dropped: number } => ({
      packets,
      bytes: 10 * packets,
      dropped: 1,
    });
    const leftAt = (lastSeen: number, changes: Partial<SessionNote> = {}): LeftPair => ({
      id: -1,
      client,
      upstream,
      note: {
        ...{ name: 'one', listener: 'listener', route: 'route', cluster: 'cluster', startedAt: Date.now() - 60_000 },
        passed: { ingress: half(5), egress: half(3) },
        relayed: { ingress: { packets: 2, bytes: 20 }, egress: { packets: 1, bytes: 10 } },
        ...changes,
      },
      traffic: { fromClient: { packets: 100, bytes: 1000 }, fromUpstream: { packets: 90, bytes: 900 }, lastSeen },
    });

    const keepers: KeptSessions = {
      left: () => [],
      resume: ({ name }) => kernel.told.push(`resume ${name}`),
      connected: ({ name }) => kernel.told.push(`connected ${name}`),
      drop: () => undefined,
      leave: () => true,
    };

    const resume = (left: LeftPair, options: Parameters<typeof harness>[1] = {}): PipelineSession => {
      kernel.kept = keepers;
      pipeline = harness({}, options, {}, {}, kernel);
      pipeline.cluster('cluster').plan = [() => udp(upstream)];
      return pipeline.accept(udp(client), {}, left) as PipelineSession;
    };

    it('goes on as it was, over the same endpoint and port', () => {
      const left = leftAt(performance.now());
      const session = resume(left);
      expect(kernel.told).to.deep.equal(['resume one', 'connected one']);
      expect(session.startedAt).to.equal(left.note.startedAt);
      expect(session.counters).to.deep.equal({
        ingress: { packets: 105, bytes: 1050, dropped: 1 },
        egress: { packets: 93, bytes: 930, dropped: 1 },
      });
      expect(session.kernelTraffic?.ingress).to.deep.equal({ packets: 102, bytes: 1020 });
      expect(session.inherited?.passed).to.deep.equal(session.counters);
      expect(session.inherited?.relayed).to.deep.equal(session.kernelTraffic);
      expect(session.events.slice(0, 2).map(({ event }) => event)).to.deep.equal(['INIT', 'ADOPTED']);
      expect(pipeline.cluster('cluster').requests[0]?.flow).to.deep.equal(upstream);
      const { name, listener, route, cluster, startedAt } = left.note;
      expect(session.note).to.deep.include({ name, listener, route, cluster, startedAt });
    });

    it('has been idle for as long as nothing moved', async () => {
      const session = resume(leftAt(performance.now() - 50_000), { idle_timeout: 40_000 });
      await until('its end', () => session.reason === 'IDLE_TIMEOUT');
    });

    it('has lasted since it began', async () => {
      pipeline = harness({ timeouts: { connect: 0, session: 50_000 } as Route['timeouts'] }, {}, {}, {}, kernel);
      const session = pipeline.accept(udp(client), {}, leftAt(performance.now())) as PipelineSession;
      await until('its end', () => session.reason === 'SESSION_TIMEOUT');
    });

    it('ends where its route is another, and says so', () => {
      resume(leftAt(0, { route: 'old' }));
      expect(pipeline.ended.map(({ reason }) => reason)).to.deep.equal(['NO_ROUTE']);
      expect(pipeline.log.fields.at(-1)?.['error']).to.equal(
        'expected route old to cluster cluster alone, as before, found route route to cluster',
      );
      expect(kernel.told).to.include('release');
    });

    it('ends where its route has another cluster before its own', () => {
      kernel.kept = keepers;
      pipeline = harness({ ingress: ['before'] }, {}, {}, {}, kernel);
      pipeline.accept(udp(client), {}, leftAt(0));
      expect(pipeline.log.fields.at(-1)?.['error']).to.contain('route route to cluster by way of before');
    });

    it('is left again without an end', () => {
      const session = resume(leftAt(0));
      pipeline.sessions.leave();
      expect(session.status).to.equal('DESTROYED');
      expect(pipeline.ended).to.deep.equal([]);
      expect(pipeline.left, 'for totals').to.deep.equal([session]);
      expect(pipeline.sessions.size).to.equal(0);
    });

    it('is no new one for the limit of new sessions', () => {
      resume(leftAt(0), { sessions_per_second: 1 });
      pipeline.accept(udp(client), {}, leftAt(0, { name: 'two' }));
      expect(pipeline.refused).to.deep.equal([]);
    });
  });

  it('has none before it is connected', () => {
    pipeline = harness({}, {}, {}, {}, kernel);
    pipeline.cluster('cluster').plan = [() => 'never'];
    const session = pipeline.accept(udp(client)) as PipelineSession;
    expect(session.flowEnds).to.include({ reason: 'state' });
  });

  it('ends when the kernel has given it back, not before', async () => {
    const session = start();
    let giveBack: () => void = () => undefined;
    kernel.releasing = new Promise((resolve) => (giveBack = resolve));
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect(session.status).to.equal('CONNECTED');
    const { releasing } = kernel;
    kernel.releasing = undefined;
    giveBack();
    await releasing;
    expect([session.status, session.reason]).to.deep.equal(['DESTROYED', 'DELETED']);
  });

  it('ends with its connections in the kernel, whose sockets it leaves alone', () => {
    const streams = [udp(client), udp(upstream)] as const;
    const session = start({}, {}, streams);
    session.endedInKernel();
    expect([session.status, session.reason]).to.deep.equal(['DESTROYED', 'OK']);
    expect(streams.flatMap(({ calls }) => calls)).not.to.include('destroy');
  });

  it('counts what the kernel relays beside what it relays itself', () => {
    const session = start();
    pipeline.cluster('cluster').last.says('12345');
    session.relayed({ packets: 3, bytes: 30 }, { packets: 2, bytes: 20 }, undefined, 0);
    session.relayed({ packets: 1, bytes: 1 }, { packets: 0, bytes: 0 }, undefined, 0);
    expect(session.counters).to.deep.equal({
      ingress: { packets: 4, bytes: 31, dropped: 0 },
      egress: { packets: 3, bytes: 25, dropped: 0 },
    });
    expect(session.kernelTraffic).to.deep.equal({
      ingress: { packets: 4, bytes: 31 },
      egress: { packets: 2, bytes: 20 },
    });
  });

  it('tells how many packets pass, once a second', () => {
    const session = start();
    const began = performance.now();
    for (let count = 0; count < 100; count++) pipeline.cluster('cluster').last.says('x');
    session.expire(began + 500);
    expect(kernel.rates).to.deep.equal([]);
    session.expire(began + 2000);
    expect(kernel.rates).to.have.length(1);
    expect(kernel.rates[0]).to.be.within(45, 51);
  });

  it('is not idle while the kernel relays its packets', () => {
    const session = start({}, { idle_timeout: 1000 });
    const began = performance.now();
    kernel.found = (each, now) => each.relayed({ packets: 1, bytes: 1 }, { packets: 0, bytes: 0 }, now - 300, now);
    session.expire(began + 1500);
    expect(session.status).to.equal('CONNECTED');
    kernel.found = () => undefined;
    session.expire(began + 2100);
    expect(session.status).to.equal('CONNECTED');
    expect(kernel.told.filter((each) => each === 'refresh')).to.have.length(1);
    session.expire(began + 2300);
    expect([session.status, session.reason]).to.deep.equal(['DESTROYED', 'IDLE_TIMEOUT']);
  });

  it('is released before its streams go, and its last packets count', () => {
    const streams = [udp(client), udp(upstream)] as const;
    const session = start({}, {}, streams);
    kernel.onRelease = (each) => {
      expect(streams[1].calls).not.to.include('destroy');
      each.relayed({ packets: 7, bytes: 70 }, { packets: 0, bytes: 0 }, undefined, performance.now());
    };
    session.destroy(new ProxyError('DELETED', 'by the test'));
    expect(streams[1].calls).to.include('destroy');
    expect(pipeline.ended[0]?.counters.ingress).to.include({ packets: 7, bytes: 70 });
    expect(kernel.told).to.deep.equal(['release']);
  });

  it('is released when its cluster is connected again', () => {
    const retried = retry({ retry_on: 'disconnect', num_retries: 1, timeout: 60_000 });
    start({ retry: retried });
    pipeline.cluster('cluster').last.closes(new ProxyError('CONNECT_REFUSED', 'by the test'));
    expect(kernel.told).to.deep.equal(['release']);
  });

  it('says that it is in user space where nobody asked for anything else', () => {
    pipeline = harness();
    expect((pipeline.accept(udp(client)) as PipelineSession).offload).to.deep.equal({
      state: 'user',
      reason: 'kernel offload is not asked for (admin.offload)',
    });
  });
});
