/** Metrics and logs by OTLP: real collector, whole proxies as processes. */
import { expect } from 'chai';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { l7mp, type ProxyProcess, runCommand } from '../../../support/command.ts';
import type { OtelCollector } from '../../../support/otel-collector.ts';
import { relay } from '../../../support/proxy.ts';
import { parseMetrics, valueOf } from '../admin/tools.ts';
import { until } from '../../../support/until.ts';
import { Lab } from './lab.ts';

/** Everything is recorded. */
const ALL = { OTEL_TRACES_SAMPLER: 'always_on' };

const ECHO = relay({ protocol: 'TCP', port: 0 }, { spec: { protocol: 'Echo' } });

describe('metrics and logs by OTLP', () => {
  let lab: Lab;
  let collector: OtelCollector;

  beforeEach(async () => {
    lab = await Lab.start();
    ({ collector } = lab);
  });
  afterEach(() => lab.end());

  const start = (config: object, env: Readonly<Record<string, string>> = {}): Promise<ProxyProcess> =>
    lab.proxy(config, { ...ALL, ...env }, ['--id', 'one']);

  async function send(port: number, text: string): Promise<void> {
    const { code, stdout, stderr } = await runCommand('socat', ['-t', '10', '-', `TCP:127.0.0.1:${port}`], text);
    expect(code, stderr).to.equal(0);
    expect(stdout.length).to.equal(text.length);
  }

  for (const protocol of ['http/protobuf', 'http/json', 'grpc'] as const) {
    it(`${protocol} brings all three`, async () => {
      const proxy = await start(ECHO, {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint(protocol === 'grpc' ? 'grpc' : 'http'),
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      });
      await send(proxy.port(), 'x');
      const wanted = { 'service.name': 'l7mp', 'service.instance.id': 'one', 'deployment.environment.name': 'test' };
      const [span] = await until('a span', () => collector.spans.length > 0 && collector.spans);
      const log = await until('the log', () => collector.logs.find(({ body }) => body === 'ready'));
      await until('the sum', () => collector.metric('l7mp.sessions.opened', { listener: 'in' }) === 1);
      expect(span?.resource).to.include(wanted);
      expect(log.resource).to.include(wanted);
      expect(log.severity).to.equal('INFO');
      expect(collector.points[0]?.resource).to.include(wanted);
    });
  }

  it('the access log goes to OTLP, as events of their spans', async () => {
    const proxy = await start({
      ...ECHO,
      admin: { access_log_path: 'otlp', access_log_format: '%LISTENER% %BYTES_IN%' },
    });
    await send(proxy.port(), 'hello');
    const record = await until('the record', () => collector.logs.find(({ eventName }) => eventName !== ''));
    const span = await until('the span', () => collector.spans.find(({ kind }) => kind === 2));
    expect(record.eventName).to.equal('l7mp.session.end');
    expect(record.body).to.equal('in 5');
    expect(record.attributes).to.include({ 'l7mp.ingress.bytes': 5, 'l7mp.reason': 'OK', 'l7mp.cluster': 'out' });
    expect([record.traceId, record.spanId]).to.deep.equal([span.traceId, span.spanId]);
  });

  it('a listener chooses what is told of its sessions', async () => {
    const file = join(lab.directory, 'access.log');
    const telemetry = {
      access_log: { sessions: 'failed', format: '%LISTENER% %METHOD% %HTTP_STATUS%' },
      tracing: { attributes: [{ name: 'tenant', path: '/HTTP/headers/x-tenant' }] },
      metric_label: { name: 'method', path: '/HTTP/method' },
    };
    const toEcho = [{ action: { route: { destination: 'echo' } } }];
    const away = [{ action: { route: { destination: 'away' } } }];
    const proxy = await start({
      admin: { access_log_path: file },
      listeners: [
        { name: 'told', spec: { protocol: 'HTTP', port: 0 }, rules: toEcho, options: { telemetry } },
        { name: 'bad', spec: { protocol: 'HTTP', port: 0 }, rules: away, options: { telemetry } },
        {
          name: 'quiet',
          spec: { protocol: 'HTTP', port: 0 },
          rules: away,
          options: { telemetry: { access_log: 'none', tracing: { enabled: false } } },
        },
      ],
      clusters: [
        { name: 'echo', spec: { protocol: 'Echo' } },
        { name: 'away', spec: { protocol: 'HTTP', port: 1 }, endpoints: ['127.0.0.1'] },
      ],
    });
    for (const listener of ['quiet', 'told', 'bad']) {
      const url = `http://127.0.0.1:${proxy.port(listener)}/`;
      await runCommand('curl', ['-sS', '--max-time', '10', '-H', 'x-tenant: blue', '-d', 'x', url]);
    }
    const spans = await until('both spans', () => {
      const servers = collector.spans.filter(({ kind }) => kind === 2);
      return servers.length === 2 && servers;
    });
    expect(spans.map(({ attributes }) => attributes['l7mp.listener'])).to.have.members(['told', 'bad']);
    for (const { attributes } of spans) expect(attributes['tenant']).to.equal('blue');
    const text = await until('the line', () => existsSync(file) && readFileSync(file, 'utf8'));
    expect(text).to.equal('bad POST 502\n');
    await until(
      'the label',
      () => collector.metric('l7mp.session.duration', { listener: 'told', method: 'POST' }) === 1,
    );
    const { text: page } = await proxy.get('/metrics');
    expect(page).to.match(/^l7mp_session_duration_seconds_count\{[^}]*listener="quiet"[^}]*\} 1$/mu);
    const samples = await parseMetrics(page);
    const method = { http_request_method: 'POST' };
    const [server, client] = ['http_server_request_duration_seconds', 'http_client_request_duration_seconds'];
    const labels = { ...method, http_response_status_code: '502', url_scheme: 'http', error_type: 'CONNECT_REFUSED' };
    for (const listener of ['quiet', 'bad'])
      expect(valueOf(samples, `${server}_count`, { listener, ...labels }), page).to.equal(1);
    const ok = { listener: 'told', ...method, http_response_status_code: '200' };
    expect(valueOf(samples, `${server}_count`, ok)).to.equal(1);
    const error = { cluster: 'away', ...method, error_type: 'CONNECT_REFUSED' };
    expect(valueOf(samples, `${client}_count`, error)).to.equal(2);
  });

  it('lines of a session have its span', async () => {
    const config = relay(
      { protocol: 'TCP', port: 0 },
      { spec: { protocol: 'Echo' } },
      { mirrors: [{ cluster: 'away' }] },
    );
    const away = { name: 'away', spec: { protocol: 'UnixDomainSocket' }, endpoints: [{ spec: { filename: '/none' } }] };
    const proxy = await start({ ...config, clusters: [...(config as { clusters: object[] }).clusters, away] });
    await send(proxy.port(), 'hello');
    const line = await proxy.logged('a mirror could not be connected');
    const span = await until('the span', () => collector.spans.find(({ kind }) => kind === 2));
    const record = await until('the record', () => collector.logs.find(({ body }) => body === line.msg));
    expect(line).to.include({ trace_id: span.traceId, span_id: span.spanId });
    expect([record.traceId, record.spanId]).to.deep.equal([span.traceId, span.spanId]);
    expect(record.attributes).to.include({ cluster: 'away' });
  });

  it('a collector that is away holds nothing up, is told of once, and counted; afterwards all goes on', async () => {
    await collector.pause();
    const proxy = await start(ECHO, { OTEL_EXPORTER_OTLP_TIMEOUT: '200', OTEL_BSP_MAX_QUEUE_SIZE: '4' });
    for (let index = 0; index < 10; index++) await send(proxy.port(), 'x');
    const lost = /^otel_sdk_exporter_span_exported_total\{[^}]*error_type=[^}]*\} [1-9]/mu;
    await until('lost spans in the page', async () => lost.test((await proxy.get('/metrics')).text));
    const told = (): number =>
      proxy.log().filter(({ msg, signal }) => msg.startsWith('telemetry can not') && signal === 'traces').length;
    await until('the line', () => told() > 0);
    for (let index = 0; index < 5; index++) await send(proxy.port(), 'x');
    expect(told()).to.equal(1);
    const line = proxy.log().find(({ msg, signal }) => msg.startsWith('telemetry can not') && signal === 'traces');
    expect(line).to.include({ endpoint: `${collector.endpoint()}/v1/traces` });
    expect(line?.['error']).to.be.a('string').that.is.not.equal('');
    await collector.restart();
    await until('a span', async () => {
      await send(proxy.port(), 'x');
      return collector.spans.length > 0;
    });
    await until('15 sessions', () => (collector.metric('l7mp.sessions.opened', { listener: 'in' }) ?? 0) > 15);
    await proxy.logged('telemetry is exported again');
  });

  it('what waits is sent at the end', async () => {
    const proxy = await start(ECHO, { OTEL_BSP_SCHEDULE_DELAY: '100000', OTEL_METRIC_EXPORT_INTERVAL: '100000' });
    await send(proxy.port(), 'hello');
    proxy.peer.signal('SIGTERM');
    expect(await proxy.peer.exit).to.equal(0);
    expect(collector.spans.filter(({ kind }) => kind === 2)).to.have.length(1);
    expect(collector.metric('l7mp.listener.bytes', { listener: 'in', direction: 'ingress' })).to.equal(5);
  });

  it('all that is wrong with the variables is told, and nothing starts', async () => {
    const env = {
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: 'soon',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'smtp',
    };
    const { code, stderr } = await l7mp(['proxy', '-c', '/dev/null', '--no-api'], '', env);
    expect(code).not.to.equal(0);
    for (const name of ['OTEL_TRACES_EXPORTER', 'OTEL_METRIC_EXPORT_INTERVAL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
      expect(stderr).to.include(name);
    }
  });

  it('an access log by OTLP without an exporter is a fault', async () => {
    const file = join(lab.directory, 'config.json');
    writeFileSync(file, JSON.stringify({ ...ECHO, admin: { access_log_path: 'otlp' } }));
    const { code, stderr } = await l7mp(['proxy', '-c', file]);
    expect(code).not.to.equal(0);
    expect(stderr).to.match(/admin\.access_log_path.*OTEL_LOGS_EXPORTER/u);
  });
});
