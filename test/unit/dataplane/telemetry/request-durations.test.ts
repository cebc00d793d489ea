/** Durations of requests by OpenTelemetry's conventions: their labels, buckets and bounds. */
import { expect } from 'chai';
import { RequestDurations } from '../../../../dataplane/core/request-durations.ts';
import { ServerDurations } from '../../../../dataplane/telemetry/server-durations.ts';
import { fakeSession } from '../../../support/admin.ts';

describe('durations of requests', () => {
  const requests = (overrides: Parameters<typeof fakeSession>[0] = {}) =>
    fakeSession({
      isHttpRequest: true,
      status: 'DESTROYED',
      reason: 'OK',
      elapsed: 20,
      metadata: { HTTP: { method: 'GET', url: { scheme: 'https' } } },
      httpStatus: 200,
      ...overrides,
    });

  it('have the labels of the conventions, and the listener', () => {
    const durations = new ServerDurations();
    durations.add(requests());
    durations.add(requests({ elapsed: 30, httpStatus: 404 }));
    durations.add(requests({ httpStatus: 503, metadata: { HTTP: { method: 'BREW', url: { scheme: 'gopher' } } } }));
    durations.add(requests({ httpStatus: undefined, reason: 'PEER_RESET', metadata: { HTTP: null } }));
    durations.add(requests({ grpcStatus: 14 }));
    durations.add(requests({ elapsed: 40 }));
    const listener = 'in';
    const common = { listener, 'http.request.method': 'GET', 'url.scheme': 'https' };
    const all = [...durations.all()];
    expect(all.map(({ attributes, counted: { sum } }) => ({ ...attributes, sum }))).to.have.deep.members([
      { ...common, 'http.response.status_code': 200, sum: 60 },
      { ...common, 'http.response.status_code': 404, sum: 30 },
      {
        listener,
        'http.request.method': '_OTHER',
        'http.response.status_code': 503,
        'error.type': '503',
        sum: 20,
      },
      { listener, 'http.request.method': '_OTHER', 'error.type': 'PEER_RESET', sum: 20 },
      { ...common, 'http.response.status_code': 200, 'error.type': 'UNAVAILABLE', sum: 20 },
    ]);
    expect(all[0]?.counted.bounds).to.deep.equal([
      5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
    ]);
  });

  it('are of requests of HTTP alone, whatever the metadata of others says', () => {
    const durations = new ServerDurations();
    durations.add(requests({ isHttpRequest: undefined, httpStatus: undefined }));
    expect([...durations.all()]).to.deep.equal([]);
  });

  it('are counted together where there are more than 100 sets of labels', () => {
    const durations = new RequestDurations();
    for (let status = 100; status < 250; status++) durations.add(1, 'GET', 'http', status);
    durations.add(1, 'GET', 'http', 100);
    const all = [...durations.all({ cluster: 'c' })];
    expect(all).to.have.length(101);
    const { attributes, counted } = all.at(-1)!;
    expect(attributes).to.deep.equal({ cluster: 'c', 'otel.metric.overflow': true });
    expect(counted.sum).to.equal(50);
    expect(all[0]?.counted.sum).to.equal(2);
  });

  it('have exemplars of those that are recorded', () => {
    const durations = new ServerDurations();
    const recorded = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    durations.add(requests({ recorded }));
    expect([...durations.all()][0]?.counted.exemplars?.of(2)?.spanId).to.equal(recorded.spanId);
  });
});
