import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { OffloadStatus } from '../../../../dataplane/core/offload.ts';
import type { ControlPlaneState } from '../../../../dataplane/core/control-plane.ts';
import { FIELDS } from '../../../../dataplane/telemetry/access-log.ts';
import { SessionDurations } from '../../../../dataplane/telemetry/durations.ts';
import { RequestDurations } from '../../../../dataplane/core/request-durations.ts';
import { createMetrics } from '../../../../dataplane/telemetry/metrics.ts';
import { ServerDurations } from '../../../../dataplane/telemetry/server-durations.ts';
import { NamedCounters } from '../../../../dataplane/telemetry/named-counters.ts';
import { SessionTotals } from '../../../../dataplane/telemetry/totals.ts';
import { fakeSession } from '../../../support/admin.ts';
import { until } from '../../../support/until.ts';

describe('docs/observability.md', () => {
  const page = readFileSync('docs/observability.md', 'utf8');

  it('explains each field of the access log, by its name in JSON and its command', () => {
    for (const field of Object.keys(FIELDS)) {
      expect(page).to.include(`\`${field}\``).and.to.include(`\`%${field.toUpperCase()}%\``);
    }
  });

  it('explains each metric, and no other', async () => {
    const totals = new SessionTotals();
    totals.ended(fakeSession({ status: 'DESTROYED', endedAt: 1, reason: 'OK' }));
    totals.ended(fakeSession({ status: 'DESTROYED', endedAt: 1, reason: 'OK', httpStatus: 200, grpcStatus: 0 }));
    totals.refuse('in', 'RATE_LIMITED');
    const durations = new SessionDurations();
    durations.add(fakeSession());
    const serverDurations = new ServerDurations();
    serverDurations.add(fakeSession({ isHttpRequest: true, httpStatus: 200 }));
    const requests = new RequestDurations();
    requests.add(1, 'GET', 'http', 200);
    const connectLatency = { bounds: [1], counts: [0, 0], sum: 0 };
    const clusters = [{ name: 'c', endpoints: [], failures: new Map([['NO_ENDPOINT', 1]]), connectLatency, requests }];
    const named = new NamedCounters();
    named.counter('n', {});
    const controlPlane: ControlPlaneState = {
      connected: true,
      server: '127.0.0.1:1',
      variant: 'delta',
      since: 0,
      connects: 1,
      lastError: undefined,
      ready: true,
      types: new Map([['Listener', { resources: 1, acks: 1, nacks: 0, version: '1' }]]),
    };
    const engine = { attachment: 'tcx', interfaces: [], flows: 1, capacity: 2 };
    const refusals = new Map([['mtu', 1]]);
    const offload: OffloadStatus = { engine, handovers: 1, handbacks: 0, refusals, sessions: () => [] };
    const listeners = [{ name: 'l', state: 'serving' as const, overflow: 1, certificateExpiry: 1000 }];
    const source = {
      totals: () => totals.with([]),
      listeners: () => listeners,
      clusters: () => clusters,
      sessionDurations: () => durations.all(),
      requestDurations: () => serverDurations.all(),
      controlPlane: () => controlPlane,
      offload: () => offload,
      taps: () => ({ active: 1, started: 1, messages: 1, bytes: 1, dropped: 0 }),
      accessLogLost: () => 1,
      logLost: () => 0,
      reloads: () => ({ succeeded: 1, failed: 1, refusal: undefined }),
    };
    const make = createMetrics(source, named);
    // The event loop is sampled from the first page on.
    const metrics = await until('metrics of the event loop', async () => {
      const { text } = await make();
      return text.includes('nodejs_') && text;
    });
    const served = [...metrics.matchAll(/^# TYPE (\S+)/gmu)]
      .map(([, name]) => name)
      .filter((name) => name !== 'target_info');
    const [ofProxy = ''] = page.split('## Metrics of the control plane');
    const explained = [...ofProxy.matchAll(/`((?:l7mp|http_server|http_client|process|nodejs)_[a-z0-9_]+)`/gu)].map(
      ([, name]) => name,
    );
    expect(served).to.have.length.above(20);
    expect(explained).to.have.members(served);
  });
});
