/** What becomes of TCP sessions by what their engine tells. */
import { expect } from 'chai';
import { Socket } from 'node:net';
import type { FlowTraffic, OffloadRefusal, PairTraffic } from '../../../../dataplane/core/offload.ts';
import type { OffloadableSession } from '../../../../dataplane/core/kernel-path.ts';
import type { ConnectionEngine } from '../../../../dataplane/offload/index.ts';
import type { SpliceEvent } from '../../../../dataplane/offload/splice-engine.ts';
import { SplicePath } from '../../../../dataplane/offload/splice-path.ts';
import { recordingLogger } from '../../../support/cluster.ts';
import { NOTE } from '../../../support/session-note.ts';

const place = { address: '10.0.0.1', port: 1 };
const flow = { transport: 'tcp', local: place, remote: place } as const;
const WHY: OffloadRefusal = { reason: 'state', message: 'expected it to be quiet' };
const traffic = (bytes: number): PairTraffic => {
  const one: FlowTraffic = { packets: 1, bytes };
  return { fromClient: one, fromUpstream: one, lastSeen: 1 };
};

class FakeEngine implements ConnectionEngine {
  readonly attachment = 'tcx';
  readonly stats = { flows: 1, capacity: 2, interfaces: [] };
  readonly told: string[] = [];
  tell: (id: number, event: SpliceEvent) => void = () => undefined;
  /** What `remove` answers. */
  answer: PairTraffic | OffloadRefusal | undefined;
  relayed = new Map<number, PairTraffic>();

  insert(): undefined {
    this.told.push('insert');
  }

  remove(): Promise<PairTraffic | OffloadRefusal | undefined> {
    this.told.push('remove');
    return Promise.resolve(this.answer);
  }

  abandon(): PairTraffic {
    this.told.push('abandon');
    return traffic(100);
  }

  read(): ReadonlyMap<number, PairTraffic> {
    return this.relayed;
  }

  onEvent(handler: (id: number, event: SpliceEvent) => void): void {
    this.tell = handler;
  }

  close(): void {
    this.told.push('close');
  }
}

describe('the way of TCP sessions through the kernel', () => {
  let engine: FakeEngine;
  let path: SplicePath;
  let bytes: number;
  let timeline: string[];
  let session: OffloadableSession;

  beforeEach(() => {
    engine = new FakeEngine();
    path = new SplicePath(engine, recordingLogger());
    bytes = 0;
    timeline = [];
    session = sessionOf('always');
  });

  const sessionOf = (policy: 'auto' | 'always' | 'never', rate = 0): OffloadableSession => ({
    id: 1,
    name: 'one',
    listener: 'in',
    offloadPolicy: { policy, threshold: 0, byte_threshold: 1000 },
    clientReliable: true,
    rate,
    settle: () => true,
    flowEnds: { client: flow, upstream: flow, sockets: { client: new Socket(), upstream: new Socket() } },
    relayed: (ingress, egress) => (bytes += ingress.bytes + egress.bytes),
    passesKernel: () => timeline.push('kernel'),
    passesUserSpace: () => timeline.push('user'),
    endedInKernel: (error) => timeline.push(error?.code ?? 'OK'),
    note: NOTE,
  });

  const second = (now: number, one = session): void => {
    path.sweep(now);
    path.measured(one, 5000, now);
  };

  const splice = (): void => {
    second(1000);
    engine.tell(1, { kind: 'spliced' });
  };

  for (const [policy, rate, isTried] of [
    ['always', 0, true],
    ['auto', 1000, true],
    ['auto', 999, false],
    ['never', 1e9, false],
  ] as const) {
    it(`${isTried ? 'tries' : 'leaves'} a session at ${rate} bytes a second where the policy is ${policy}`, () => {
      second(1000, sessionOf(policy, rate));
      expect(engine.told).to.deep.equal(isTried ? ['insert'] : []);
    });
  }

  it('may take what is cold, but neither what has to stay nor what can not go', () => {
    expect(path.mayTake(sessionOf('auto'))).to.equal(true);
    expect(path.mayTake(sessionOf('never'))).to.equal(false);
    expect(path.mayTake({ ...session, flowEnds: WHY })).to.equal(false);
    expect(new SplicePath(WHY, recordingLogger()).mayTake(session)).to.equal(false);
  });

  it('says when it is in the kernel, and tries it no more', () => {
    splice();
    second(2000);
    expect(engine.told).to.deep.equal(['insert']);
    expect(timeline).to.deep.equal(['kernel']);
    expect(path.view(session)).to.deep.equal({ state: 'kernel' });
    expect(path.handovers).to.equal(1);
  });

  it('waits longer and longer after refusals', () => {
    second(1000);
    engine.tell(1, { kind: 'refused', why: WHY });
    expect(path.view(session).reason).to.contain(WHY.message);
    expect(path.refusals.get('state')).to.equal(1);
    second(performance.now() + 500);
    expect(engine.told).to.have.length(1);
    second(performance.now() + 1500);
    expect(engine.told).to.have.length(2);
  });

  it('counts each byte once, by readings, an eviction and the end', () => {
    splice();
    engine.relayed.set(1, traffic(10));
    path.sweep(2000);
    engine.tell(1, { kind: 'evicted', why: WHY, traffic: traffic(15) });
    expect(bytes).to.equal(30);
    expect(path.handbacks).to.equal(1);
    engine.relayed.clear();
    second(performance.now() + 5000);
    engine.tell(1, { kind: 'spliced' });
    engine.tell(1, { kind: 'ended', how: 'closed', traffic: traffic(5) });
    expect(bytes).to.equal(40);
    expect(timeline).to.deep.equal(['kernel', 'user', 'kernel', 'OK']);
    expect(path.sessions()).to.deep.equal([]);
  });

  for (const [event, code] of [
    [{ kind: 'ended', how: 'reset', traffic: traffic(5) }, 'PEER_RESET'],
    [{ kind: 'lost', why: WHY, traffic: traffic(5) }, 'INTERNAL'],
  ] as const) {
    it(`ends a session with ${code} where it is ${event.kind}`, () => {
      splice();
      engine.tell(1, event);
      expect(timeline.at(-1)).to.equal(code);
      expect(bytes).to.equal(10);
      expect(path.release(session)).to.equal(undefined);
    });
  }

  it('takes a session back before it ends, once', async () => {
    splice();
    engine.answer = traffic(7);
    const released = path.release(session);
    expect(path.release(session)).to.equal(released);
    await released;
    expect(engine.told).to.deep.equal(['insert', 'remove']);
    expect(bytes).to.equal(14);
    expect(path.release(session)).to.equal(undefined);
  });

  it('cuts off a session that can not be taken back', async () => {
    splice();
    engine.answer = WHY;
    await path.release(session);
    expect(engine.told).to.deep.equal(['insert', 'remove', 'abandon']);
    expect(bytes).to.equal(200);
  });

  it('breaks a hand-over off before its session ends', async () => {
    second(1000);
    await path.release(session);
    expect(engine.told).to.deep.equal(['insert', 'remove']);
    expect(path.sessions()).to.deep.equal([]);
  });

  it('has nothing to let go of that was never tried', () => {
    expect(path.release(session)).to.equal(undefined);
  });

  describe('that are to pass user space for a while', () => {
    const TAP: OffloadRefusal = { reason: 'tap', message: 'somebody looks' };

    it('come back, are counted once, and may go in again later', async () => {
      splice();
      engine.answer = traffic(7);
      const recalled = path.recall(session, TAP);
      expect(path.recall(session, TAP)).to.equal(recalled);
      second(1500);
      expect(await recalled).to.equal(undefined);
      expect(engine.told).to.deep.equal(['insert', 'remove']);
      expect(bytes).to.equal(14);
      expect(timeline).to.deep.equal(['kernel', 'user']);
      expect(path.view(session).state).to.equal('user');
      expect([...path.refusals]).to.deep.equal([['tap', 1]]);
      expect(path.recall(session, TAP)).to.equal(undefined);
      second(performance.now() + 2000);
      expect(engine.told).to.deep.equal(['insert', 'remove', 'insert']);
    });

    it('stay where they are when they can not come back, and it says why', async () => {
      splice();
      engine.answer = WHY;
      expect(await path.recall(session, TAP)).to.equal(WHY);
      expect(path.view(session)).to.deep.equal({ state: 'kernel' });
      expect(engine.told).to.deep.equal(['insert', 'remove']);
      expect(timeline).to.deep.equal(['kernel']);
    });

    it('end in order when they end on their way back', async () => {
      splice();
      engine.answer = traffic(7);
      const recalled = path.recall(session, TAP);
      const released = path.release(session);
      engine.answer = undefined;
      await Promise.all([recalled, released]);
      expect(bytes).to.equal(14);
      expect(path.sessions()).to.deep.equal([]);
    });

    it('are not handed over any more', async () => {
      second(1000);
      await path.recall(session, TAP);
      expect(engine.told).to.deep.equal(['insert', 'remove']);
      expect(path.view(session).state).to.equal('user');
    });

    it('are where they have to be if they never were elsewhere', () => {
      expect(path.recall(session, TAP)).to.equal(undefined);
      expect(engine.told).to.deep.equal([]);
    });
  });

  it('says why there is no engine', () => {
    const none = new SplicePath(WHY, recordingLogger());
    none.measured(session, 1e9, 1000);
    expect(none.view(session)).to.deep.equal({ state: 'user', reason: WHY.message });
    expect(none.engine).to.equal(undefined);
    expect(none.release(session)).to.equal(undefined);
  });
});
