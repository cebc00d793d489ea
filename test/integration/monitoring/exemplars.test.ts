/** From a bucket of a histogram to the trace of what was counted: pages of both servers, a real collector, a real Prometheus. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { L7MP, l7mp, ProxyProcess } from '../../support/command.ts';
import { httpGet } from '../../support/http-get.ts';
import { needPrometheus } from '../../support/monitoring.ts';
import { OtelCollector, type Span } from '../../support/otel-collector.ts';
import { Peer } from '../../support/peer.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { until } from '../../support/until.ts';
import { curl, type Exemplar, parseMetrics, parseOpenMetrics, type Sample } from '../dataplane/admin/tools.ts';

/** As Prometheus says it. */
const ACCEPT =
  'accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const SESSIONS = 'l7mp_session_duration_seconds';
const [SERVER, CLIENT] = [2, 3];

describe('exemplars', function () {
  this.timeout(60_000);
  let collector: OtelCollector;
  let directory: string;
  const ends: (() => unknown)[] = [];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-exemplars-'));
    ends.push(() => rmSync(directory, { recursive: true }));
    collector = await OtelCollector.start();
    ends.push(() => collector.stop());
  });

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  const environment = (): string[] => [
    `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.endpoint()}`,
    ...['OTEL_TRACES_SAMPLER=always_on', 'OTEL_BSP_SCHEDULE_DELAY=50'],
  ];

  /** Listeners `web` and `silent` lead to a server, `page` to the metrics; sessions of `web` are recorded. */
  async function startProxy(): Promise<ProxyProcess> {
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const listener = (name: string, destination: string, percent: number): object => ({
      name,
      spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
      rules: [{ action: { route: { destination } } }],
      options: { telemetry: { tracing: { percent } } },
    });
    const { port } = server.address() as AddressInfo;
    const proxy = await ProxyProcess.start(
      {
        admin: { access_log_path: join(directory, 'access.log') },
        listeners: [listener('web', 'server', 100), listener('silent', 'server', 0), listener('page', 'page', 0)],
        clusters: [
          { name: 'server', spec: { protocol: 'HTTP', port }, endpoints: ['127.0.0.1'] },
          { name: 'page', spec: { protocol: 'Prometheus' } },
        ],
      },
      ['--http', '127.0.0.1:0'],
      environment()
        .map((each) => `export ${each};`)
        .join(' '),
    );
    ends.push(() => proxy.stop());
    return proxy;
  }

  /** The access log's line of a request to the listener. */
  async function request(proxy: ProxyProcess, listener: string): Promise<Record<string, unknown>> {
    expect((await httpGet(`http://127.0.0.1:${proxy.port(listener)}/`)).body).to.equal('hello');
    return await until(`the line of ${listener}`, () => {
      const file = join(directory, 'access.log');
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
      return lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .find((line) => line['listener'] === listener);
    });
  }

  const spanOf = (kind: number): Promise<Span> =>
    until(`a span of kind ${kind}`, () => collector.spans.find((span) => span.kind === kind));

  it('lead from the pages of a proxy to sessions and attempts that are recorded', async () => {
    const proxy = await startProxy();
    const line = await request(proxy, 'web');
    await request(proxy, 'silent');
    const [session, attempt] = [await spanOf(SERVER), await spanOf(CLIENT)];
    const { http } = await proxy.logged('ready');
    for (const url of [
      `http://${http as string}/metrics`,
      `${proxy.api}/metrics`,
      `http://127.0.0.1:${proxy.port('page')}`,
    ]) {
      const { contentType, text } = await curl('-H', ACCEPT, url);
      expect(contentType, url).to.equal(OPENMETRICS);
      const samples = await parseOpenMetrics(text);
      const [told, ...others] = exemplarsOf(samples, SESSIONS, { listener: 'web' });
      expect(others).to.deep.equal([]);
      expect(told?.labels).to.deep.equal({ trace_id: line['trace_id'], span_id: line['span_id'] });
      expect(told?.labels).to.deep.equal(idsOf(session));
      expect(Math.round((told?.value ?? 0) * 1000)).to.equal(line['duration_ms']);
      expect(told?.timestamp).to.be.closeTo(Number(session.end) / 1e9, 1);
      expect(exemplarsOf(samples, SESSIONS, { listener: 'silent' })).to.deep.equal([]);
      const [connect] = exemplarsOf(samples, 'l7mp_cluster_connect_duration_seconds', { cluster: 'server' });
      expect(connect?.labels).to.deep.equal(idsOf(attempt));

      const plain = await curl(url);
      expect(plain.contentType, url).to.equal('text/plain; version=0.0.4; charset=utf-8');
      expect(plain.text).to.not.include(line['trace_id']);
      // The page says more of the process, and of the SDK, from time to time.
      const series = (all: readonly Sample[]): string[] =>
        [...new Set(all.map(({ name }) => name))].filter((name) => name.startsWith('l7mp_'));
      expect(series(samples)).to.have.members(series(await parseMetrics(plain.text)));
    }
  });

  it("lead from the page of a control plane to proxies' answers to a change", async () => {
    const store = `embedded:${join(directory, 'store')}`;
    const args = ['controlplane', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', store];
    const controlPlane = new Peer('env', [...environment(), L7MP, ...args]);
    ends.push(() => controlPlane.stop());
    const [ready] = await controlPlane.output(/^\{.*"msg":"ready".*$/mu);
    const { address, http } = JSON.parse(ready) as { address: string; http: string };
    const proxy = new Peer(L7MP, ['proxy', '--no-api', '--controlplane', address, '--id', 'edge']);
    ends.push(() => proxy.stop());
    await proxy.output(/ready: a complete/u);
    const cluster = 'clusters: [{ name: echo, spec: { protocol: Echo } }]';
    const { code, stderr } = await l7mp(['apply', '-f', '-', '--server', address], cluster);
    expect(code, stderr).to.equal(0);
    const answer = await until('the answer', () => collector.spans.find(({ name }) => name === 'ack'));
    const { contentType, text } = await curl('-H', ACCEPT, `http://${http}/metrics`);
    expect(contentType).to.equal(OPENMETRICS);
    const type = answer.attributes['l7mp.type'] as string;
    const found = exemplarsOf(await parseOpenMetrics(text), 'l7mp_controlplane_answer_duration_seconds', { type });
    expect(found.map(({ labels }) => labels)).to.deep.include(idsOf(answer));
    expect((await curl(`http://${http}/metrics`)).contentType).to.equal('text/plain; version=0.0.4; charset=utf-8');
  });

  it('are kept by Prometheus, which gives the trace of a request', async function () {
    needPrometheus(this);
    const proxy = await startProxy();
    const line = await request(proxy, 'web');
    const prometheus = await Prometheus.start({ proxies: [proxy.api.replace('http://', '')] });
    ends.push(() => prometheus.stop());
    const quantile = `histogram_quantile(0.99, sum by (le) (rate(${SESSIONS}_bucket{listener="web"}[1m])))`;
    const [series] = await until('the exemplar', async () => {
      const all = await prometheus.exemplars(quantile);
      return all.length > 0 && all;
    });
    expect(series?.seriesLabels).to.include({ __name__: `${SESSIONS}_bucket`, listener: 'web', job: 'proxies' });
    expect(series?.exemplars[0]?.labels).to.deep.equal({ trace_id: line['trace_id'], span_id: line['span_id'] });
    expect(Math.round(Number(series?.exemplars[0]?.value) * 1000)).to.equal(line['duration_ms']);
    expect(await prometheus.query('up == 1')).to.have.length(1);
  });
});

/** Those of a histogram's buckets, of series with these labels. */
function exemplarsOf(samples: readonly Sample[], histogram: string, wanted: Sample['labels']): Exemplar[] {
  return samples
    .filter(({ name }) => name === `${histogram}_bucket`)
    .filter(({ labels }) => Object.entries(wanted).every(([name, value]) => labels[name] === value))
    .flatMap(({ exemplar }) => exemplar ?? []);
}

const idsOf = ({ traceId, spanId }: Span): object => ({ trace_id: traceId, span_id: spanId });
