/** Durations of sessions, by listener and label, within bounds. */
import { expect } from 'chai';
import { SessionDurations } from '../../../../dataplane/telemetry/durations.ts';
import { fakeSession } from '../../../support/admin.ts';

describe('durations of sessions', () => {
  const telemetry = (name: string, path: string) => ({
    access_log: { sessions: 'all' as const, percent: 100 },
    tracing: { enabled: true, attributes: [] },
    metric_label: { name, path },
  });
  const ended = (method: string, more = {}) =>
    fakeSession({
      elapsed: 20,
      metadata: { HTTP: { method } },
      telemetry: telemetry('method', '/HTTP/method'),
      ...more,
    });

  it('are counted by the value of the label', () => {
    const durations = new SessionDurations();
    for (const method of ['GET', 'GET', 'PUT']) durations.add(ended(method));
    const all = [...durations.all()];
    expect(all.map(({ attributes }) => attributes)).to.deep.equal([
      { method: 'GET', listener: 'in' },
      { method: 'PUT', listener: 'in' },
    ]);
    expect(all[0]?.counted.sum).to.equal(40);
    expect(all[0]?.counted.counts.reduce((sum, count) => sum + count)).to.equal(2);
  });

  it('more than 50 values are others, and another label begins anew', () => {
    const durations = new SessionDurations();
    for (let index = 0; index < 200; index++) durations.add(ended(`M${index}`));
    const values = [...durations.all()];
    expect(values).to.have.length(51);
    const others = values.find(({ attributes }) => attributes['method'] === 'others');
    expect(others?.counted.counts.reduce((sum, count) => sum + count)).to.equal(150);
    durations.add(ended('GET', { telemetry: telemetry('other', '/HTTP/method') }));
    expect([...durations.all()].map(({ attributes }) => attributes)).to.deep.equal([{ other: 'GET', listener: 'in' }]);
  });

  it('go on where a session ends that has the label from before', () => {
    const durations = new SessionDurations();
    const other = telemetry('other', '/HTTP/method');
    durations.add(ended('GET', { id: 1 }));
    for (const id of [4, 6]) durations.add(ended('GET', { id, telemetry: other }));
    durations.add(ended('PUT', { id: 2 }));
    durations.add(ended('GET', { id: 5, telemetry: other }));
    const counts = [...durations.all()].map(({ attributes, counted }) => [attributes['other'], counted.sum]);
    expect(counts).to.deep.equal([
      ['GET', 60],
      ['others', 20],
    ]);
  });

  it('are of the clock that never steps', () => {
    const durations = new SessionDurations();
    durations.add(ended('GET', { startedAt: 1000, endedAt: 0 }));
    expect([...durations.all()][0]?.counted.sum).to.equal(20);
  });

  it('go of the listener that was quiet for the longest, where there are too many', () => {
    const durations = new SessionDurations(2);
    for (const listener of ['a', 'b', 'a', 'c']) durations.add(ended('GET', { listener }));
    const kept = [...durations.all()].map(({ attributes, counted }) => [attributes['listener'], counted.sum]);
    expect(kept).to.deep.equal([
      ['a', 40],
      ['c', 20],
    ]);
  });

  it('have exemplars of sessions that are recorded, and drop them with their label', () => {
    const durations = new SessionDurations();
    const recorded = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    const exemplars = () => [...durations.all()].map(({ counted }) => counted.exemplars?.of(2)?.spanId);
    durations.add(ended('GET', { trace: { ...recorded, sampled: false } }));
    durations.add(ended('PUT', { trace: recorded, recorded }));
    expect(exemplars()).to.deep.equal([undefined, recorded.spanId]);
    durations.add(ended('GET', { telemetry: telemetry('other', '/HTTP/method') }));
    expect(exemplars()).to.deep.equal([undefined]);
  });
});
