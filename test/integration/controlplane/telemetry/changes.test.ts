/** Changes of the configuration as traces: from the command to the answers of proxies, at a real collector. */
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { l7mp, L7MP } from '../../../support/command.ts';
import { OtelCollector, type Span } from '../../../support/otel-collector.ts';
import { Peer } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

const ERROR = 2;

describe('traces, metrics and logs of the control plane', () => {
  let collector: OtelCollector;
  let directory: string;
  let address: string;
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-otel-'));
    collector = await OtelCollector.start();
    ends.push(() => collector.stop());
  });

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(directory, { recursive: true });
  });

  async function start(...more: string[]): Promise<Peer> {
    const env = [
      `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.endpoint()}`,
      ...['OTEL_BSP_SCHEDULE_DELAY=50', 'OTEL_BLRP_SCHEDULE_DELAY=50', 'OTEL_METRIC_EXPORT_INTERVAL=200'],
    ];
    const args = ['controlplane', '--listen', '127.0.0.1:0', '--store', `embedded:${join(directory, 'store')}`];
    const peer = new Peer('env', [...env, L7MP, ...args, ...more]);
    ends.push(() => peer.stop());
    [, address = ''] = await peer.output(/"address":"([^"]+)".*"msg":"ready"/u);
    return peer;
  }

  async function proxy(id: string, ...more: string[]): Promise<void> {
    const peer = new Peer(L7MP, ['proxy', '--no-api', '--controlplane', address, '--id', id, ...more]);
    ends.push(() => peer.stop());
    await peer.output(/ready: a complete/u);
  }

  const listener = (port: number): string => `listeners:
  - name: web
    spec: { protocol: TCP, address: 127.0.0.1, port: ${port} }
    rules: [{ action: { route: { destination: echo } } }]
clusters:
  - { name: echo, spec: { protocol: Echo } }
`;

  const named = (name: string, traceId?: string): Span[] =>
    collector.spans.filter((span) => span.name === name && (traceId === undefined || span.traceId === traceId));

  it('a change that is applied is followed to each answer, in the trace of whoever runs the command', async () => {
    await start();
    await proxy('edge-1');
    await proxy('edge-2');
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const { code, stderr } = await l7mp(['apply', '-f', '-', '--server', address], listener(0), {
      TRACEPARENT: `00-${traceId}-b7ad6b7169203331-01`,
    });
    expect(code, stderr).to.equal(0);
    const [change] = await until('the change', () => named('change', traceId).length > 0 && named('change', traceId));
    const [translate] = named('translate', traceId);
    const [push] = named('push', traceId);
    const acks = named('ack', traceId);
    expect(change?.parentSpanId).to.equal('b7ad6b7169203331');
    expect(translate?.parentSpanId).to.equal(change?.spanId);
    expect(push?.parentSpanId).to.equal(change?.spanId);
    expect(push?.attributes).to.include({ 'l7mp.proxies': 2, 'l7mp.proxies.answered': 2, 'l7mp.nacks': 0 });
    expect(acks.map(({ attributes }) => attributes['l7mp.proxy'])).to.include.members(['edge-1', 'edge-2']);
    for (const ack of acks) expect(ack.parentSpanId).to.equal(push?.spanId);
    expect(Number(change?.end)).to.be.at.least(Number(acks[0]?.end));
    const line = await until('the audit line', () =>
      collector.logs.find(({ body }) => body === 'the configuration was changed'),
    );
    expect(line.resource['service.name']).to.equal('l7mp-controlplane');
    await until('the metric', () => (collector.metric('l7mp.controlplane.acks') ?? 0) >= 2);
    expect(collector.metric('l7mp.controlplane.objects', { state: 'valid' })).to.equal(2);
  });

  it('a refusal is an error, with what the proxy said', async () => {
    await start();
    const own = join(directory, 'own.yaml'); // of one name the proxy's own counts
    writeFileSync(own, listener(0));
    await proxy('edge-1', '-c', own);
    await l7mp(['apply', '-f', '-', '--server', address], listener(0));
    const [nack] = await until('the refusal', () => named('nack').length > 0 && named('nack'));
    expect(nack?.status).to.equal(ERROR);
    expect(nack?.attributes['l7mp.proxy']).to.equal('edge-1');
    const [push] = await until('the push', () => named('push').length > 0 && named('push'));
    expect(push?.status).to.equal(ERROR);
    expect(push?.attributes['l7mp.nacks']).to.be.at.least(1);
  });

  it('a file is a source as the store is, and nobody is waited for where there is nobody', async () => {
    const folder = mkdtempSync(join(directory, 'folder-'));
    await start('--folder', folder);
    writeFileSync(join(folder, 'web.yaml'), listener(0));
    const [change] = await until('the change', () => named('change').length > 0 && named('change'));
    expect(change?.parentSpanId).to.equal('');
    expect(change?.attributes['l7mp.objects.changed']).to.equal(2);
    const [push] = await until('the push', () => named('push').length > 0 && named('push'));
    expect(push?.attributes['l7mp.proxies']).to.equal(0);
  });

  it('a collector that does not answer holds nothing up at the end', async () => {
    const connections = new Set<Socket>();
    const silent = createServer((socket) => {
      connections.add(socket);
      socket.on('error', () => undefined).resume();
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    ends.push(async () => {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    });
    const { port } = silent.address() as AddressInfo;
    const args = ['controlplane', '--listen', '127.0.0.1:0', '--store', `embedded:${join(directory, 'store')}`];
    const env = [`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${port}`, 'OTEL_BLRP_SCHEDULE_DELAY=50'];
    const peer = new Peer('env', [...env, L7MP, ...args]);
    ends.push(() => peer.stop());
    await peer.output(/"msg":"ready"/u);
    await until('an export', () => connections.size > 0);
    const since = performance.now();
    peer.signal('SIGTERM');
    expect(await peer.exit).to.equal(0);
    expect(performance.now() - since).to.be.below(7000);
  });
});
