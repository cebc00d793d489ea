import { expect } from 'chai';
import { NamedCounters } from '../../../../dataplane/telemetry/named-counters.ts';
import { SessionTotals } from '../../../../dataplane/telemetry/totals.ts';
import { fakeSession } from '../../../support/admin.ts';

const ended = { status: 'DESTROYED', endedAt: 1, reason: 'OK' } as const;

describe('session totals', () => {
  it('sum ended and live sessions, by listener and by cluster', () => {
    const totals = new SessionTotals();
    totals.ended(fakeSession({ ...ended, retries: 1 }));
    totals.ended(fakeSession({ ...ended, reason: 'PEER_RESET' }));
    const { listeners, clusters } = totals.with([fakeSession(), fakeSession({ listener: 'other' })]);
    const sums = listeners.get('in')!;
    expect(sums).to.include({ opened: 3, active: 1, retries: 1 });
    expect(sums.ingress).to.deep.equal({ bytes: 30, packets: 6, dropped: 0 });
    expect([...sums.closed]).to.deep.equal([
      ['OK', 1],
      ['PEER_RESET', 1],
    ]);
    expect(listeners.get('other')).to.include({ opened: 1, active: 1 });
    expect(clusters.get('out')).to.include({ opened: 4, active: 2 });
  });

  it('never go down when a session ends, and count it once while it stays listed', () => {
    const totals = new SessionTotals();
    const live = fakeSession();
    const before = totals.with([live]).listeners.get('in')!;
    const gone = fakeSession({ ...ended, reason: 'OK' });
    totals.ended(gone);
    const after = totals.with([gone]).listeners.get('in')!;
    expect(after.ingress).to.deep.equal(before.ingress);
    expect([before.opened, after.opened, before.active, after.active]).to.deep.equal([1, 1, 1, 0]);
  });

  it('leave out what a session has from an earlier process', () => {
    const before = { bytes: 4, packets: 1, dropped: 0 };
    const inherited = {
      passed: { ingress: before, egress: before },
      relayed: { ingress: { bytes: 3, packets: 1 }, egress: { bytes: 0, packets: 0 } },
    };
    const kernelTraffic = { ingress: { bytes: 5, packets: 2 }, egress: { bytes: 0, packets: 0 } };
    const { ingress, kernel } = new SessionTotals()
      .with([fakeSession({ inherited, kernelTraffic })])
      .listeners.get('in')!;
    expect(ingress).to.deep.equal({ bytes: 6, packets: 1, dropped: 0 });
    expect(kernel.ingress).to.deep.equal({ bytes: 2, packets: 1 });
  });

  it('count answers of HTTP by class of status, and of gRPC by status, once', () => {
    const totals = new SessionTotals();
    for (const httpStatus of [200, 204, 404, 500, 503, 600]) totals.ended(fakeSession({ ...ended, httpStatus }));
    totals.ended(fakeSession({ ...ended, httpStatus: 200, grpcStatus: 14 }));
    totals.ended(fakeSession({ ...ended, destination: undefined, httpStatus: 404 }));
    const live = [fakeSession({ httpStatus: 101 }), fakeSession()];
    totals.with(live);
    const { listeners, clusters } = totals.with(live);
    expect(listeners.get('in')!.httpResponses).to.deep.equal([0, 1, 3, 0, 2, 3]);
    expect(clusters.get('out')!.httpResponses).to.deep.equal([0, 1, 3, 0, 1, 3]);
    expect([...listeners.get('in')!.grpcResponses]).to.deep.equal([[14, 1]]);
  });

  it('are not changed by asking', () => {
    const totals = new SessionTotals();
    totals.ended(fakeSession(ended));
    const live = [fakeSession()];
    totals.with(live);
    expect(totals.with(live).listeners.get('in')!.ingress.bytes).to.equal(20);
  });

  it('count sessions without a destination for their listener only', () => {
    const { listeners, clusters } = new SessionTotals().with([fakeSession({ destination: undefined })]);
    expect([listeners.size, clusters.size]).to.deep.equal([1, 0]);
  });

  it('count refusals by listener and reason', () => {
    const totals = new SessionTotals();
    totals.refuse('in', 'RATE_LIMITED');
    totals.refuse('in', 'RATE_LIMITED');
    totals.refuse('in', 'DRAINED');
    expect([...totals.with([]).refused.get('in')!]).to.deep.equal([
      ['RATE_LIMITED', 2],
      ['DRAINED', 1],
    ]);
  });

  it('forget the names that were quiet for the longest, however many come', () => {
    const totals = new SessionTotals(3);
    for (const listener of ['a', 'b', 'c', 'a', 'd', 'e']) {
      totals.ended(fakeSession({ ...ended, listener }));
      totals.refuse(listener, 'DRAINED');
    }
    const { listeners, refused } = totals.with([]);
    expect([...listeners.keys()]).to.deep.equal(['a', 'd', 'e']);
    expect([...refused.keys()]).to.deep.equal(['a', 'd', 'e']);
    expect(listeners.get('a')!.opened).to.equal(2);
  });
});

describe('named counters', () => {
  it('are the same for the same name and labels, in whatever order', () => {
    const counters = new NamedCounters();
    const counter = counters.counter('c', { x: '1', y: '2' });
    expect(counters.counter('c', { y: '2', x: '1' })).to.equal(counter);
    expect(counters.counter('c', { x: '1' })).not.to.equal(counter);
    expect(counters.counter('d', { x: '1', y: '2' })).not.to.equal(counter);
  });

  it('share one beyond a limit', () => {
    const counters = new NamedCounters(2);
    const [first, , third, fourth] = ['a', 'b', 'c', 'd'].map((name) => counters.counter(name, {}));
    expect(third).to.equal(fourth);
    expect(third!.name).to.equal('(others)');
    expect(counters.counter('a', {})).to.equal(first);
    expect([...counters.all()]).to.have.length(3);
  });
});
