import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { RequestDurations } from '../../../../dataplane/core/request-durations.ts';
import { createMetrics } from '../../../../dataplane/telemetry/metrics.ts';
import type { MetricsSource } from '../../../../dataplane/telemetry/metrics-source.ts';
import { NamedCounters } from '../../../../dataplane/telemetry/named-counters.ts';
import { SessionTotals } from '../../../../dataplane/telemetry/totals.ts';
import { fakeSession } from '../../../support/admin.ts';
import { startProxy } from '../../../support/proxy.ts';
import { curl, parseMetrics, parseOpenMetrics, run, type Sample, valueOf, versionOf } from './tools.ts';
import { until } from '../../../support/until.ts';

const parser = versionOf('.cache/venv/bin/pip', 'show', '--disable-pip-version-check', 'prometheus_client');

describe(`metrics, read by prometheus_client ${parser}`, () => {
  it('count what socat sends through a proxy, and what was refused', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'metrics-'));
    const file = join(directory, 'access');
    const proxy = await startProxy(
      {
        admin: { access_log_path: file, access_log_format: '%LISTENER% %BYTES_IN% %BYTES_OUT% %REASON%' },
        listeners: [
          {
            name: 'in',
            spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 },
            options: { max_sessions: 1 },
            rules: [
              {
                action: {
                  route: {
                    destination: { name: 'echo', spec: { protocol: 'Echo' } },
                    ingress: [{ spec: { protocol: 'Metric', name: 'passed', labels: { kind: 'a' } } }],
                  },
                },
              },
            ],
          },
          {
            name: 'page',
            spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
            rules: [{ action: { route: { destination: { spec: { protocol: 'Prometheus' } } } } }],
          },
        ],
      },
      { api: true },
    );
    try {
      const address = `TCP:127.0.0.1:${proxy.port('in')}`;
      expect(await run('socat', ['-t', '5', '-', address], 'hello')).to.equal('hello');
      await until('the session to end', () => proxy.sessions().length === 0);

      const page = await curl(`http://127.0.0.1:${proxy.port()}/metrics`);
      expect(page.contentType).to.include('version=0.0.4');
      const samples = await parseMetrics(page.text);
      expect(valueOf(samples, 'l7mp_sessions_opened_total', { listener: 'in' })).to.equal(1);
      expect(valueOf(samples, 'l7mp_sessions_closed_total', { listener: 'in', reason: 'OK' })).to.equal(1);
      expect(valueOf(samples, 'l7mp_sessions_active', { listener: 'in' })).to.equal(0);
      for (const direction of ['ingress', 'egress']) {
        const labels = { direction };
        expect(valueOf(samples, 'l7mp_listener_bytes_total', { listener: 'in', ...labels })).to.equal(5);
        expect(valueOf(samples, 'l7mp_cluster_bytes_total', { cluster: 'echo', ...labels })).to.equal(5);
      }
      expect(valueOf(samples, 'l7mp_metric_bytes_total', { name: 'passed', kind: 'a' })).to.equal(5);
      expect(valueOf(samples, 'l7mp_cluster_endpoints', { cluster: 'echo', health: 'healthy' })).to.equal(1);
      expect(valueOf(samples, 'process_memory_usage_bytes')).to.be.greaterThan(1e7);
      expect(valueOf(samples, 'process_open_file_descriptors')).to.be.greaterThan(3);
      expect(valueOf(samples, 'process_cpu_time_seconds_total', { cpu_mode: 'user' })).to.be.greaterThan(0);

      const again = await parseMetrics((await curl(`http://127.0.0.1:${proxy.port('page')}/metrics`)).text);
      expect(valueOf(again, 'l7mp_sessions_active', { listener: 'page' })).to.equal(1);
      expect(valueOf(again, 'nodejs_eventloop_delay_p99_seconds')).to.be.within(0, 10);
    } finally {
      await proxy.close();
    }
    expect(readFileSync(file, 'utf8')).to.include('in 5 5 OK\n');
    rmSync(directory, { recursive: true });
  });

  describe('made of', () => {
    const totals = new SessionTotals();
    let live = [fakeSession()];
    let clusters: ReturnType<MetricsSource['clusters']> = [];
    const named = new NamedCounters();
    const make = createMetrics(
      {
        totals: () => totals.with(live),
        listeners: () => [],
        clusters: () => clusters,
        sessionDurations: () => [],
        requestDurations: () => [],
        controlPlane: () => undefined,
        offload: () => undefined,
        taps: () => ({ active: 0, started: 0, messages: 0, bytes: 0, dropped: 0 }),
        accessLogLost: () => undefined,
        logLost: () => 3,
        reloads: () => undefined,
      },
      named,
    );
    const page = async (): Promise<string> => (await make()).text;

    it('whatever names and labels there are, hostile ones included', async () => {
      const name = 'a"b\\c\nd} 1\n# HELP x é\u{1F600}';
      live = [fakeSession({ listener: name })];
      named.counter(name, { '1st': 'x', 'a-b': 'y', 'a.b': 'z', '': 'e', name: 'n', __proto__x: 'p' }).bytes += 7;
      const samples = await parseMetrics(await page());
      expect(valueOf(samples, 'l7mp_sessions_active', { listener: name })).to.equal(1);
      expect(valueOf(samples, 'l7mp_metric_bytes_total', { name, _1st: 'x', a_b: 'y' })).to.equal(7);
    });

    it('one sum of names and labels that Prometheus can not tell apart', async () => {
      for (const label of ['kind-of', 'kind.of', 'kind of'])
        named.counter('same', { [label]: 'x', name: label }).bytes += 5;
      const samples = await parseMetrics(await page());
      expect(valueOf(samples, 'l7mp_metric_bytes_total', { name: 'same', kind_of: 'x' })).to.equal(15);
    });

    it('connect times, as a histogram in seconds', async () => {
      const connectLatency = { bounds: [1, 10], counts: [3, 2, 1], sum: 1234 };
      const failures = new Map([['CONNECT_REFUSED', 4]]);
      clusters = [{ name: 'c', endpoints: [], failures, connectLatency, requests: new RequestDurations() }];
      const samples = await parseMetrics(await page());
      const name = 'l7mp_cluster_connect_duration_seconds';
      const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
      expect(buckets.map(({ labels, value }) => [labels['le'], value])).to.deep.equal([
        ['0.001', 3],
        ['0.01', 5],
        ['+Inf', 6],
      ]);
      expect(valueOf(samples, `${name}_sum`)).to.equal(1.234);
      expect(valueOf(samples, 'l7mp_cluster_failures_total', { cluster: 'c', reason: 'CONNECT_REFUSED' })).to.equal(4);
    });

    it('the same in both formats, of which OpenMetrics has types and units', async () => {
      const { contentType, text } = await make('application/openmetrics-text;version=1.0.0');
      expect(contentType).to.equal('application/openmetrics-text; version=1.0.0; charset=utf-8');
      const samples = await parseOpenMetrics(text);
      const ofProxy = (all: readonly Sample[]): object[] =>
        all
          .filter(({ name }) => name.startsWith('l7mp_'))
          .map(({ name, labels, value }) => ({ name, value, labels: { ...labels, le: Number(labels['le']) } }));
      const others = ofProxy(await parseMetrics(await page()));
      expect(ofProxy(samples)).to.have.deep.members(others);
      expect(others).to.have.length.above(20);
      const found = (name: string): unknown[] => {
        const { type, unit } = samples.find((sample) => sample.name === name) ?? {};
        return [type, unit];
      };
      expect(found('target_info')).to.deep.equal(['info', '']);
      expect(found('l7mp_listener_bytes_total')).to.deep.equal(['counter', 'bytes']);
      expect(found('l7mp_sessions_active')).to.deep.equal(['gauge', '']);
      expect(found('l7mp_cluster_connect_duration_seconds_bucket')).to.deep.equal(['histogram', 'seconds']);
    });

    it('what there is now: what is gone is gone', async () => {
      live = [fakeSession({ listener: 'short-lived' })];
      expect(await page()).to.include('short-lived');
      live = [];
      expect(await page()).not.to.include('short-lived');
    });

    it('lines of the log that were lost', async () => {
      expect(valueOf(await parseMetrics(await page()), 'l7mp_log_lines_lost_total')).to.equal(3);
    });

    it('sums that survive their session', async () => {
      totals.ended(fakeSession({ listener: 'kept', status: 'DESTROYED', endedAt: 1, reason: 'OK' }));
      const samples = await parseMetrics(await page());
      expect(valueOf(samples, 'l7mp_listener_bytes_total', { listener: 'kept', direction: 'ingress' })).to.equal(10);
    });

    it('traffic by the way that it took', async () => {
      const traffic = { ingress: { packets: 1, bytes: 7 }, egress: { packets: 0, bytes: 0 } };
      live = [fakeSession({ listener: 'hot', kernelTraffic: traffic })];
      const samples = await parseMetrics(await page());
      const ofHot = (name: string, direction: string): unknown[] =>
        samples
          .filter((sample) => sample.name === name && sample.labels['listener'] === 'hot')
          .filter(({ labels }) => labels['direction'] === direction)
          .map(({ labels, value }) => [labels['path'], value]);
      expect(ofHot('l7mp_listener_bytes_total', 'ingress')).to.deep.equal([
        ['user', 3],
        ['kernel', 7],
      ]);
      expect(ofHot('l7mp_listener_packets_total', 'ingress')).to.deep.equal([
        ['user', 1],
        ['kernel', 1],
      ]);
      expect(ofHot('l7mp_listener_bytes_total', 'egress')).to.deep.equal([['user', 5]]);
    });

    it('one page for all that ask at the same time', async () => {
      const [first, second] = await Promise.all([page(), page()]);
      expect(first).to.equal(second);
    });
  });
});
