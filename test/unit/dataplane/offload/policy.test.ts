import { expect } from 'chai';
import type {
  FlowPair,
  KeptPairs,
  LeftPair,
  OffloadEngine,
  OffloadRefusal,
  PairTraffic,
  SessionNote,
} from '../../../../dataplane/core/offload.ts';
import type { OffloadableSession } from '../../../../dataplane/core/kernel-path.ts';
import { OffloadPolicy } from '../../../../dataplane/offload/policy.ts';
import { recordingLogger } from '../../../support/cluster.ts';
import { NOTE } from '../../../support/session-note.ts';

const SIDE = {
  transport: 'udp',
  local: { address: '10.0.0.1', port: 1 },
  remote: { address: '10.0.0.2', port: 2 },
} as const;
const ENDS = { client: SIDE, upstream: SIDE };
const MTU: OffloadRefusal = { reason: 'mtu', message: 'expected a wider way' };

/** Keeps pairs, and relays what the test says. */
class FakeEngine implements OffloadEngine {
  readonly attachment = 'fake';
  readonly pairs = new Map<number, PairTraffic>();
  readonly capacity: number;
  inserted: number[] = [];
  reads = 0;
  closed = false;
  fails = false;
  refusal: OffloadRefusal | undefined;
  private evicted: (id: number, traffic: PairTraffic, why: OffloadRefusal) => void = () => undefined;

  constructor(capacity = 10) {
    this.capacity = capacity;
  }

  get stats(): OffloadEngine['stats'] {
    return { flows: this.pairs.size, capacity: this.capacity, interfaces: ['eth0'] };
  }

  insert({ id }: FlowPair): OffloadRefusal | undefined {
    this.inserted.push(id);
    if (this.refusal === undefined) this.relays(id, 0);
    return this.refusal;
  }

  remove(id: number): PairTraffic | undefined {
    if (this.fails) throw new Error('no memory');
    const traffic = this.pairs.get(id);
    this.pairs.delete(id);
    return traffic;
  }

  read(): ReadonlyMap<number, PairTraffic> {
    this.reads++;
    if (this.fails) throw new Error('no memory');
    return new Map(this.pairs);
  }

  onEvicted(handler: (id: number, traffic: PairTraffic, why: OffloadRefusal) => void): void {
    this.evicted = handler;
  }

  close(): void {
    this.closed = true;
  }

  /** So many packets of 10 bytes from the client until now, half as many of 20 bytes back. */
  relays(id: number, packets: number): void {
    const fromUpstream = { packets: packets / 2, bytes: 10 * packets };
    this.pairs.set(id, { fromClient: { packets, bytes: 10 * packets }, fromUpstream, lastSeen: 42 });
  }

  evicts(id: number, why: OffloadRefusal): void {
    const traffic = this.remove(id);
    if (traffic) this.evicted(id, traffic, why);
  }
}

/** Its pairs outlive the process. */
class KeepingEngine extends FakeEngine {
  readonly noted: SessionNote[] = [];
  note: (note: SessionNote) => void = (note) => this.noted.push(note);
  readonly kept: KeptPairs;

  constructor(...left: LeftPair[]) {
    super();
    for (const { id, traffic } of left) this.pairs.set(id, traffic);
    this.kept = {
      left,
      rename: (id, next) => {
        const traffic = this.remove(id);
        if (traffic) this.pairs.set(next, traffic);
        return traffic !== undefined;
      },
      note: (_id, note) => this.note(note),
    };
  }

  override insert(pair: FlowPair): OffloadRefusal | undefined {
    if (pair.note) this.noted.push(pair.note);
    return super.insert(pair);
  }
}

class FakeSession implements OffloadableSession {
  readonly id: number;
  readonly name: string;
  readonly listener = 'in';
  readonly offloadPolicy: OffloadableSession['offloadPolicy'];
  flowEnds: OffloadableSession['flowEnds'] = ENDS;
  readonly clientReliable = false;
  readonly rate = 0;
  settle(): boolean {
    return true;
  }

  get note(): OffloadableSession['note'] {
    const { name, packets, bytes } = this;
    const passed = { ...NOTE.passed, ingress: { packets, bytes, dropped: 0 } };
    return { ...NOTE, name, passed };
  }
  packets = 0;
  bytes = 0;
  lastSeen: number | undefined;
  /** What happens as its packets are counted in. */
  onRelayed: () => void = () => undefined;
  readonly timeline: string[] = [];

  constructor(id: number, policy: 'auto' | 'always' | 'never' = 'auto', threshold = 1000) {
    this.id = id;
    this.name = `session ${id}`;
    this.offloadPolicy = { policy, threshold, byte_threshold: 0 };
  }

  relayed(...[ingress, egress, lastSeen]: Parameters<OffloadableSession['relayed']>): void {
    this.packets += ingress.packets + egress.packets;
    this.bytes += ingress.bytes + egress.bytes;
    this.lastSeen = lastSeen;
    this.onRelayed();
  }

  endedInKernel(): void {
    this.timeline.push('ended');
  }

  passesKernel(): void {
    this.timeline.push('kernel');
  }

  passesUserSpace(message: string): void {
    this.timeline.push(message);
  }
}

describe('the policy of kernel offload', () => {
  let engine: FakeEngine;
  let policy: OffloadPolicy;
  let log: ReturnType<typeof recordingLogger>;
  let now = 0;

  beforeEach(() => {
    now = 0;
    create(new FakeEngine());
  });

  function create(fake: FakeEngine): void {
    engine = fake;
    log = recordingLogger();
    policy = new OffloadPolicy(engine, log);
  }

  /** A second passes in which sessions have these rates. */
  function second(...rates: readonly [FakeSession, number][]): void {
    now += 1000;
    policy.sweep(now);
    for (const [session, rate] of rates) policy.measured(session, rate, now);
  }

  const inKernel = (): number[] => [...engine.pairs.keys()];

  it('takes what is hot, all of `always`, and nothing of `never`', () => {
    const [cold, hot, always, never] = [
      new FakeSession(1),
      new FakeSession(2),
      new FakeSession(3, 'always'),
      new FakeSession(4, 'never'),
    ];
    second([cold, 999], [hot, 1000], [always, 0], [never, 1e6]);
    expect(inKernel()).to.deep.equal([2, 3]);
    expect(hot.timeline).to.deep.equal(['kernel']);
    expect(policy.view(hot)).to.deep.equal({ state: 'kernel' });
    expect(policy.view(cold).reason).to.equal('expected at least 1000 datagrams a second, found fewer');
    expect(policy.view(never).reason).to.contain('never');
    expect(policy.handovers).to.equal(2);
    // What has cooled down stays: nobody wants its place.
    second([hot, 1], [always, 0]);
    expect(inKernel()).to.deep.equal([2, 3]);
    expect(engine.inserted).to.deep.equal([2, 3]);
  });

  describe('where pairs outlive the process', () => {
    const left = (id: number, name: string): LeftPair => ({
      id,
      ...ENDS,
      note: { ...NOTE, name },
      traffic: { fromClient: { packets: 4, bytes: 40 }, fromUpstream: { packets: 2, bytes: 40 }, lastSeen: 42 },
    });

    it('notes what passes user space, when it has changed', () => {
      const keeper = new KeepingEngine();
      create(keeper);
      const session = new FakeSession(1);
      session.packets = 7;
      second([session, 5000]);
      const passed = (): readonly number[] => keeper.noted.map(({ passed: { ingress } }) => ingress.packets);
      expect(passed()).to.deep.equal([7]);
      engine.relays(1, 10);
      second();
      expect(passed(), 'what the kernel relays is told by its counters').to.deep.equal([7]);
      session.packets++;
      second();
      expect(keeper.noted).to.have.length(2);
      expect(keeper.noted[1]?.name).to.equal('session 1');
    });

    it('has a session go on, and counts what comes', () => {
      const keeper = new KeepingEngine(left(-1, 'session 1'));
      create(keeper);
      const [one] = policy.left();
      const session = new FakeSession(1);
      policy.resume(session, one!);
      expect(inKernel()).to.deep.equal([1]);
      policy.connected(session);
      expect(session.timeline).to.deep.equal(['kernel']);
      engine.relays(1, 10);
      second();
      expect(session.packets, 'what is more than was left').to.equal(15 - 6);
      expect(policy.left()).to.deep.equal([]);
      expect([policy.handovers, policy.handbacks]).to.deep.equal([1, 0]);
    });

    it('shows those that nobody has taken on yet', () => {
      create(new KeepingEngine(left(-1, 'session 1'), left(-2, 'session 2')));
      engine.relays(-1, 10);
      engine.evicts(-2, MTU);
      const [one, two] = policy.sessions();
      expect(one).to.include({ session: 'session 1', listener: 'in', packets: 15, bytes: 200, state: 'kernel' });
      expect(one?.reason).to.contain('listener in has yet to take it on');
      expect(two).to.include({ session: 'session 2', packets: 6, state: 'user', reason: MTU.message });
    });

    it('lets go of one that fails as it is taken on', () => {
      create(new KeepingEngine(left(-1, 'session 1')));
      const [one] = policy.left();
      const session = new FakeSession(1);
      policy.resume(session, one!);
      policy.drop(one!, 'by the test');
      expect(inKernel()).to.deep.equal([]);
      expect(log.lines.at(-1)).to.include('a session that an earlier process has left in the kernel can not go on');
      expect(policy.sessions()).to.deep.equal([]);
    });

    it('says once that a note can not be written, and counts on', () => {
      const keeper = new KeepingEngine();
      create(keeper);
      const session = new FakeSession(1);
      second([session, 5000]);
      keeper.note = () => {
        throw new Error('no room');
      };
      for (let count = 0; count < 2; count++) {
        session.packets++;
        second();
      }
      const told = log.lines.filter((line) => line.includes('is not noted for the next process'));
      expect(told).to.have.length(1);
      expect(log.lines.filter((line) => line.includes('does not say'))).to.deep.equal([]);
    });

    it('takes back what the kernel may not relay any more, and lets go of what nobody takes on', () => {
      create(new KeepingEngine(left(-1, 'session 1'), left(-2, 'session 2'), left(-3, 'session 3')));
      const [one, two, three] = policy.left();
      const [mirrored, never] = [new FakeSession(1), new FakeSession(2, 'never')];
      mirrored.flowEnds = { reason: 'mirror', message: 'expected no mirrors' };
      policy.resume(mirrored, one!);
      policy.resume(never, two!);
      policy.connected(mirrored);
      policy.connected(never);
      policy.drop(three!, 'there is no listener in');
      expect(inKernel()).to.deep.equal([]);
      expect(mirrored.timeline).to.deep.equal(['expected no mirrors']);
      expect(never.timeline[0]).to.contain('never');
      expect(log.lines.at(-1)).to.include('a session that an earlier process has left in the kernel can not go on');
    });

    it('has one go on in user space whose way is lost before', () => {
      create(new KeepingEngine(left(-1, 'session 1'), left(-2, 'session 2')));
      const [one, two] = policy.left();
      engine.relays(-1, 10);
      engine.evicts(-1, MTU);
      engine.remove(-2); // as it was taken over
      const [session, other] = [new FakeSession(1), new FakeSession(2)];
      policy.resume(session, one!);
      policy.resume(other, two!);
      expect([policy.view(session).state, policy.view(other).state]).to.deep.equal(['user', 'user']);
      expect(session.timeline).to.deep.equal([MTU.message]);
      expect(session.packets, 'what was relayed since it was looked up').to.equal(15 - 6);
      expect(other.timeline).to.deep.equal(['the kernel has no way for it any more']);
    });

    it('leaves what is in the kernel, and nothing else', () => {
      const keeper = new KeepingEngine();
      create(keeper);
      const [hot, cold] = [new FakeSession(1), new FakeSession(2)];
      second([hot, 5000], [cold, 1]);
      expect([policy.leave(hot), policy.leave(cold)]).to.deep.equal([true, false]);
      policy.release(hot);
      expect(inKernel()).to.deep.equal([1]);
      expect(keeper.noted).to.have.length(2);
    });
  });

  it('gives back what is to pass user space for a while, and counts it', () => {
    const tap = { reason: 'tap', message: 'somebody looks' } as const;
    const session = new FakeSession(1);
    second([session, 5000]);
    engine.relays(1, 10);
    expect(policy.recall(session, tap)).to.equal(undefined);
    expect(inKernel()).to.deep.equal([]);
    expect([session.packets, session.bytes]).to.deep.equal([15, 200]);
    expect(session.timeline.at(-1)).to.equal('somebody looks');
    expect(policy.view(session).state).to.equal('user');
    policy.recall(session, tap);
    expect([policy.handbacks, policy.refusals.get('tap')]).to.deep.equal([1, 1]);
  });

  it('reads once a second, and counts each packet once', () => {
    const session = new FakeSession(1);
    second([session, 5000]);
    engine.relays(1, 10);
    policy.sweep(now + 250);
    expect(session.packets).to.equal(0);
    second();
    expect([session.packets, session.bytes, session.lastSeen]).to.deep.equal([15, 200, 42]);
    engine.relays(1, 14);
    second();
    expect([session.packets, session.bytes]).to.deep.equal([21, 280]);
    engine.relays(1, 20);
    policy.release(session);
    expect([session.packets, session.bytes]).to.deep.equal([30, 400]);
    expect(inKernel()).to.deep.equal([]);
    policy.release(session);
    second();
    expect(session.packets).to.equal(30);
    expect(policy.handbacks, 'it has ended').to.equal(0);
    expect(policy.sessions()).to.deep.equal([]);
  });

  it('asks nothing while nothing is in the kernel', () => {
    second([new FakeSession(1), 1]);
    second();
    expect(engine.reads).to.equal(0);
  });

  it('looks anew for a session that seems idle, once in a sweep', () => {
    const [session, other] = [new FakeSession(1), new FakeSession(2)];
    second([session, 5000]);
    engine.relays(1, 10);
    policy.refresh(other, now + 250);
    expect(session.packets).to.equal(0);
    policy.refresh(session, now + 250);
    policy.refresh(session, now + 250);
    expect([session.packets, engine.reads]).to.deep.equal([15, 1]);
  });

  it('tries what was refused again after a pause that grows to a minute', () => {
    const session = new FakeSession(1);
    engine.refusal = MTU;
    const tried: number[] = [];
    for (let at = 1; at <= 250; at++) {
      const before = engine.inserted.length;
      second([session, 5000]);
      if (engine.inserted.length > before) tried.push(at);
    }
    expect(tried).to.deep.equal([1, 2, 4, 8, 16, 32, 64, 124, 184, 244]);
    expect(policy.refusals.get('mtu')).to.equal(10);
    expect(policy.view(session).reason).to.match(/^expected a wider way; it may be tried again in \d+ s$/u);
    engine.refusal = undefined;
    for (let at = 0; at < 60; at++) second([session, 5000]);
    expect(inKernel()).to.deep.equal([1]);
  });

  it('does not try again what is no longer hot', () => {
    const session = new FakeSession(1);
    engine.refusal = MTU;
    second([session, 5000]);
    second([session, 1]);
    expect(engine.inserted).to.deep.equal([1]);
  });

  it('keeps out what must not go in, and says what does not hold', () => {
    const session = new FakeSession(1, 'always');
    session.flowEnds = { reason: 'mirror', message: 'expected no mirrors, found copy' };
    second([session, 5000]);
    expect(engine.inserted).to.deep.equal([]);
    expect(policy.view(session)).to.deep.equal({ state: 'user', reason: 'expected no mirrors, found copy' });
    expect([...policy.refusals]).to.deep.equal([['mirror', 1]]);
    expect(policy.sessions()).to.have.length(1);
  });

  it('gives the place of the coldest to one that is twice as hot, in a full table', () => {
    create(new FakeEngine(2));
    const [warm, cool, hot, other] = [1, 2, 3, 4].map((id) => new FakeSession(id)) as [
      FakeSession,
      FakeSession,
      FakeSession,
      FakeSession,
    ];
    second([warm, 4000], [cool, 2000]);
    engine.relays(2, 10);
    second([warm, 4000], [cool, 2000], [hot, 3999]);
    expect(inKernel()).to.deep.equal([1, 2]);
    expect(policy.view(hot).reason).to.contain('expected a session twice as hot as the coldest of 2 at 2000');
    second([warm, 4000], [cool, 2000], [hot, 4000], [other, 7999]);
    expect(inKernel()).to.deep.equal([1, 3]);
    expect([cool.packets, cool.timeline[1]]).to.deep.equal([15, 'a session at 4000 datagrams a second took its place']);
    expect(policy.handbacks).to.equal(1);
    expect(Object.fromEntries(policy.refusals)).to.deep.equal({ 'table-full': 2, displaced: 1 });
    // What lost its place has its pause, then it is as any other.
    second([warm, 4000], [cool, 20_000], [hot, 4000]);
    expect(inKernel()).to.deep.equal([1, 2]);
    expect(cool.packets).to.equal(15);
    engine.relays(2, 2);
    policy.release(cool);
    expect(cool.packets).to.equal(18);
  });

  it('does not take a session in again that is measured as it ends', () => {
    const session = new FakeSession(1);
    second([session, 1000]);
    session.onRelayed = () => policy.measured(session, 1000, now + 500);
    engine.relays(1, 100);
    policy.release(session);
    expect(inKernel()).to.deep.equal([]);
    expect(session.packets).to.equal(150);
    expect(policy.sessions()).to.deep.equal([]);
  });

  it('takes back what the engine throws out, with its last traffic, and tries again later', () => {
    const session = new FakeSession(1);
    second([session, 5000]);
    engine.relays(1, 10);
    engine.evicts(1, { reason: 'no-route', message: 'expected a route' });
    expect(session.packets).to.equal(15);
    expect(session.timeline).to.deep.equal(['kernel', 'expected a route']);
    expect(policy.view(session).state).to.equal('user');
    expect(policy.sessions()[0]).to.include({ session: 'session 1', packets: 15, bytes: 200, state: 'user' });
    now += Math.ceil(performance.now()); // the engine's news has a time of its own
    second([session, 5000]);
    second([session, 5000]);
    expect(inKernel()).to.deep.equal([1]);
    engine.relays(1, 2);
    second();
    expect(session.packets).to.equal(18);
    expect(policy.sessions()[0]).to.include({ packets: 18, state: 'kernel' });
  });

  it('tries so many at most in one sweep, and the others in the next', () => {
    create(new FakeEngine(1000));
    const many = Array.from({ length: 700 }, (_, index) => [new FakeSession(index), 5000] as [FakeSession, number]);
    second(...many);
    expect(inKernel()).to.have.length(256);
    policy.release(many[699]![0]);
    policy.sweep((now += 250));
    expect(inKernel()).to.have.length(512);
    policy.sweep((now += 250));
    expect(inKernel()).to.have.length(699);
    expect(engine.inserted).to.have.length(699);
  });

  it('says once why there is no engine, and leaves everything in user space', () => {
    const why: OffloadRefusal = { reason: 'unsupported', message: 'it needs a kernel' };
    const lines = recordingLogger();
    const none = new OffloadPolicy(why, lines);
    const session = new FakeSession(1, 'always');
    for (let at = 1000; at < 5000; at += 1000) {
      none.sweep(at);
      none.measured(session, 1e6, at);
    }
    none.release(session);
    none.close();
    expect(lines.lines).to.deep.equal(['warn: no kernel offload of UDP sessions: they stay in user space']);
    expect(none.view(session)).to.deep.equal({ state: 'user', reason: 'it needs a kernel' });
    expect([none.engine, none.reason, none.refusals.size]).to.deep.equal([undefined, 'it needs a kernel', 0]);
  });

  it('goes on where the kernel fails, and says so once', () => {
    const session = new FakeSession(1);
    second([session, 5000]);
    engine.fails = true;
    second();
    second();
    policy.release(session);
    expect(policy.sessions()).to.deep.equal([]);
    expect(log.lines.filter((line) => line.startsWith('error'))).to.deep.equal([
      'error: the kernel does not say what it has relayed',
    ]);
  });

  it('closes its engine', () => {
    policy.close();
    expect(engine.closed).to.equal(true);
  });
});
