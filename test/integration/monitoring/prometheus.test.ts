/** A real Prometheus scrapes proxies and a control plane: names, rules and dashboards are of what they really export. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { expect } from 'chai';
import { makeCertificate } from '../../support/certificates.ts';
import { LoggingProcess } from '../../support/control-plane-process.ts';
import { labelsOf, metricsOf, withVariables } from '../../support/expressions.ts';
import { freePort } from '../../support/free-port.ts';
import { httpGet } from '../../support/http-get.ts';
import { KubeControlPlane } from '../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../support/kubernetes/shared.ts';
import { OtelCollector } from '../../support/otel-collector.ts';
import { needPrometheus, panelsOf, promtool, readDashboards, readRules } from '../../support/monitoring.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { until } from '../../support/until.ts';

/** Nobody takes traces and log records, and of traces most find no room. */
const EXPORT = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
  OTEL_TRACES_SAMPLER: 'always_on',
  OTEL_BSP_MAX_QUEUE_SIZE: '1',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1',
  OTEL_METRIC_EXPORT_INTERVAL: '500',
  OTEL_METRIC_EXPORT_TIMEOUT: '500',
};

/** What a call of gRPC is answered with. */
const UNAVAILABLE = { 'content-type': 'application/grpc', 'grpc-status': '14' };

/** What Prometheus gives to each target; the operator adds the namespace. */
const OF_TARGETS = ['job', 'instance', 'namespace'];

describe('Prometheus', function () {
  this.timeout(120_000);
  before(function () {
    needPrometheus(this);
  });
  const kube = sharedKube({ gatewayApi: 'experimental' });
  let rig: KubeControlPlane | undefined;
  let alone: LoggingProcess | undefined;
  let collector: OtelCollector | undefined;
  let prometheus: Prometheus;
  let traffic: NodeJS.Timeout | undefined;
  let caller: ClientHttp2Session | undefined;
  const pages: string[] = [];
  const sockets: Socket[] = [];

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
    const [gatewayPort, web, udp] = [await freePort(), await freePort(), await freePort()];
    const [dead, hot] = [await freePort(), await freePort()];
    const [calls, answers] = [await freePort(), await freePort()];
    const [peer, client] = [createSocket('udp4'), createSocket('udp4')];
    sockets.push(peer, client);
    peer.on('message', (text, { port, address }) => peer.send(text, port, address)).bind(0, '127.0.0.1');
    await once(peer, 'listening');
    await rig.service('web', await rig.server('hello'));
    await rig.gateway('web', gatewayPort);
    await rig.route('web', 'web', '/', 'web');
    const proxy = rig.proxyOf('web', 'p1', '--http', '127.0.0.1:0');
    const { cert, key } = makeCertificate(rig.controlPlane.directory, 'web', 'DNS:web');
    const config = {
      admin: { offload: 'init', access_log_path: rig.controlPlane.file('access.log', '') },
      listeners: [
        {
          name: 'tls',
          spec: { protocol: 'TLS', port: web, address: '127.0.0.1', tls: { cert, key } },
          rules: [{ action: { route: { destination: 'echo' } } }],
        },
        {
          name: 'udp',
          spec: { protocol: 'UDP', port: udp, address: '127.0.0.1' },
          // The one keeps clients out, the other sessions out of the kernel.
          options: { sessions_per_second: 1, datagrams_per_second: 1000, offload: 'always' },
          rules: [{ action: { route: { destination: 'echo', ingress: ['counted'] } } }],
        },
        {
          name: 'hot',
          spec: { protocol: 'UDP', port: hot, address: '127.0.0.1' },
          options: { offload: 'always' },
          rules: [{ action: { route: { destination: 'peer' } } }],
        },
        {
          name: 'calls',
          spec: { protocol: 'HTTP', port: calls, address: '127.0.0.1' },
          rules: [{ action: { route: { destination: 'answers' } } }],
        },
        {
          name: 'answers',
          spec: { protocol: 'HTTP', port: answers, address: '127.0.0.1' },
          rules: [{ action: { respond: { status: 200, headers: UNAVAILABLE } } }],
        },
        {
          name: 'dead',
          spec: { protocol: 'TCP', port: dead, address: '127.0.0.1' },
          rules: [{ action: { route: { destination: 'dead' } } }],
        },
      ],
      clusters: [
        { name: 'echo', spec: { protocol: 'Echo' } },
        { name: 'peer', spec: { protocol: 'UDP', port: peer.address().port }, endpoints: ['127.0.0.1'] },
        { name: 'answers', spec: { protocol: 'HTTP', version: '2', port: answers }, endpoints: ['127.0.0.1'] },
        { name: 'counted', spec: { protocol: 'Metric', name: 'counted' } },
        { name: 'dead', spec: { protocol: 'TCP', port: 1 }, endpoints: ['127.0.0.1'] },
      ],
    };
    const file = rig.controlPlane.file('alone.json', JSON.stringify(config));
    collector = await OtelCollector.start();
    alone = new LoggingProcess(['proxy', '--config', file, '--no-api', '--http', '127.0.0.1:0'], {
      ...EXPORT,
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.endpoint()}/v1/metrics`,
    });
    const lines = await Promise.all([proxy.logged('waiting for the control plane'), alone.logged('ready')]);
    const proxies = lines.map(({ http }) => http as string);
    const controlPlane = rig.controlPlane.http.replace('http://', '');
    pages.push(...proxies, controlPlane);
    prometheus = await Prometheus.start({ proxies, controlplane: [controlPlane] });

    caller = connectHttp2(`http://127.0.0.1:${calls}`).on('error', () => undefined);
    const send = (): void => {
      caller
        ?.request({ ':method': 'POST', ':path': '/a.A/B' })
        .on('error', () => undefined)
        .resume()
        .end();
      httpGet(`http://127.0.0.1:${gatewayPort}/`).catch(() => undefined);
      connect(dead, '127.0.0.1')
        .on('error', () => undefined)
        .resume();
      client.send('hello', hot, '127.0.0.1');
      for (let number = 0; number < 3; number++) {
        const socket = createSocket('udp4');
        socket.send('hello', udp, '127.0.0.1', () => socket.close());
      }
    };
    traffic = setInterval(send, 100);
    // By then the collector has the connection that it keeps.
    await until('metrics by OTLP', () => (collector?.points.length ?? 0) > 0);
  });
  after(async () => {
    clearInterval(traffic);
    caller?.destroy();
    for (const socket of sockets) socket.close();
    await (prometheus as Prometheus | undefined)?.stop();
    await alone?.stop();
    await collector?.stop();
    await rig?.stop();
  });

  it('has nothing to say of the pages', async () => {
    for (const address of pages) {
      const { body } = await httpGet(`http://${address}/metrics`);
      const { code, stdout, stderr } = await promtool(['check', 'metrics'], body);
      expect(stdout + stderr).to.equal('');
      expect(code).to.equal(0);
    }
  });

  for (const [file, dashboard] of readDashboards()) {
    it(`finds what ${file} shows`, async () => {
      for (const panel of panelsOf(dashboard)) {
        for (const { expr } of panel.targets ?? []) {
          const query = withVariables(expr);
          await until(`data of "${panel.title}": ${query}`, async () => (await prometheus.query(query)).length > 0);
        }
      }
    });
  }

  it('has every metric and label that rules and dashboards name', async () => {
    const expressions = [
      ...readRules().flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...[...readDashboards().values()].flatMap((each) =>
        panelsOf(each).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ),
    ];
    const known = new Map<string, ReadonlySet<string>>();
    for (const metric of new Set(expressions.flatMap(metricsOf))) {
      const series = await prometheus.series(metric);
      expect(series, metric).to.not.have.length(0);
      known.set(metric, new Set(series.flatMap((labels) => Object.keys(labels))));
    }
    for (const expr of expressions) {
      const metrics = metricsOf(expr);
      if (metrics.length === 0) continue; // of recorded ones
      const labels = new Set([...OF_TARGETS, ...metrics.flatMap((metric) => [...(known.get(metric) ?? [])])]);
      expect([...labels], expr).to.include.members(labelsOf(expr));
    }
  });

  it('evaluates all rules, and says what an alert is about', async () => {
    const wanted = 'L7mpSessionsRefused';
    const rules = await until('an alert', async () => {
      const all = await prometheus.rules();
      return all.some(({ name, alerts = [] }) => name === wanted && alerts.length > 0) && all;
    });
    expect(rules.filter(({ health }) => health !== 'ok')).to.deep.equal([]);
    const [alert] = rules.find(({ name }) => name === wanted)?.alerts ?? [];
    expect(alert?.annotations['summary']).to.equal('Listener udp refuses clients');
  });
});
