/** What passed a session is the same number wherever it is told, and the one that those at its ends count. */
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { size } from '../../../../dashboard/format.ts';
import { startBrowser } from '../../../support/browser.ts';
import { OtelCollector } from '../../../support/otel-collector.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { factsOf, Pages, rowOf } from '../../dashboard/page.ts';
import { parseMetrics } from '../admin/tools.ts';
import { Bed, FOUR, type Session, type Traffic } from '../offload/bed.ts';
import { report, say, Talker, TCP_PEER } from '../offload/tcp-lab.ts';

const DIRECTIONS = ['ingress', 'egress'] as const;
type Directions<T> = Readonly<Record<(typeof DIRECTIONS)[number], T>>;
/** By those at the ends; packets of byte streams they don't see. */
type Counted = Directions<{ readonly bytes: number; readonly packets?: number }>;

const NONE: Directions<Traffic> = { ingress: { bytes: 0, packets: 0 }, egress: { bytes: 0, packets: 0 } };

describe(`what passed a session, by ${versionOf(PYTHON, '--version')} and Chromium`, function () {
  this.timeout(60_000);
  let browser: Browser;
  let bed: Bed;
  let collector: OtelCollector;
  const talkers: Talker[] = [];
  const pages = new Pages(() => browser);

  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    bed = new Bed();
    collector = await OtelCollector.start();
  });
  afterEach(async () => {
    await pages.close();
    await Promise.all(talkers.splice(0).map((talker) => talker.stop()));
    await bed.close();
    await collector.stop();
  });

  async function startProxy(protocol: string, options: object): Promise<void> {
    await bed.wayOut(Number(new URL(collector.endpoint()).port));
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint(),
      OTEL_TRACES_SAMPLER: 'always_on',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_METRIC_EXPORT_TIMEOUT: '200',
    };
    const config = {
      admin: { offload: 'init', access_log_path: 'stdout', access_log_format: 'json' },
      listeners: [
        {
          name: 'in',
          spec: { protocol, port: 5000, address: FOUR.listen },
          options: { track: 60, ...options },
          rules: [{ action: { route: { destination: 'out' } } }],
        },
      ],
      clusters: [{ name: 'out', spec: { protocol, port: 9000 }, endpoints: [FOUR.server] }],
    };
    await bed.startProxy(
      config,
      `env ${Object.entries(env)
        .map((pair) => pair.join('='))
        .join(' ')}`,
    );
  }

  /** The only session, which nothing passes any more, by the REST API. */
  async function byRest(counted: Counted): Promise<Session> {
    const session = await until('all that was counted', () =>
      bed.sessions().find(({ counters }) => DIRECTIONS.every((way) => counters[way].bytes >= counted[way].bytes)),
    );
    for (const way of DIRECTIONS) expect(session.counters[way], way).to.include({ ...counted[way], dropped: 0 });
    const { items } = JSON.parse(bed.curl('/api/v1/topology')) as { items: { type: string }[] };
    for (const type of ['listener', 'path', 'cluster', 'endpoint']) {
      const item = items.filter((each) => each.type === type);
      expect(item, type).to.have.length(1);
      const traffic = { bytes_in: counted.ingress.bytes, bytes_out: counted.egress.bytes };
      expect(item[0], type).to.include({ opened: 1, ...(type !== 'endpoint' && traffic) });
    }
    return session;
  }

  async function byBrowser({ name, counters }: Session, way: string): Promise<void> {
    const page = await pages.at(`http://127.0.0.1:${await bed.wayIn(bed.proxy.apiPort)}/ui/#sessions`);
    const shown = { Session: name, In: size(counters.ingress.bytes), Out: size(counters.egress.bytes), Way: way };
    await until('it in the list', async () => (await rowOf(page, 'Sessions', name))['Way'] === way);
    expect(await rowOf(page, 'Sessions', name)).to.include(shown);
    await page.getByRole('button', { name }).click();
    const panel = page.getByRole('dialog', { name });
    await panel.getByText('Timeline').waitFor();
    const text = ({ bytes, packets }: Traffic): string => `${size(bytes)} in ${packets} chunks`;
    expect(await factsOf(panel)).to.include({
      'From the client': text(counters.ingress),
      'To the client': text(counters.egress),
    });
  }

  /** Sums by where it passed, on the page of metrics and by OTLP, which tells them since the process began. */
  async function byMetrics(session: Session): Promise<void> {
    const kernel = session.offload.traffic ?? NONE;
    const samples = await parseMetrics(bed.curl('/metrics'));
    for (const [subject, name] of [
      ['listener', 'in'],
      ['cluster', 'out'],
    ] as const) {
      for (const direction of DIRECTIONS) {
        for (const unit of ['bytes', 'packets'] as const) {
          const passed = {
            kernel: kernel[direction][unit],
            user: session.counters[direction][unit] - kernel[direction][unit],
          };
          for (const [path, count] of Object.entries(passed)) {
            const labels = { [subject]: name, direction, path };
            const metric = `l7mp_${subject}_${unit}_total`;
            const found = samples.filter(
              (sample) =>
                sample.name === metric && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
            );
            const what = `${metric} ${JSON.stringify(labels)}`;
            expect(
              found.reduce((sum, { value }) => sum + value, 0),
              what,
            ).to.equal(count);
            await until(
              `${what} ${count} by OTLP`,
              () => (collector.metric(`l7mp.${subject}.${unit}`, labels) ?? 0) === count,
            );
          }
        }
      }
    }
  }

  /** It has ended: by the access log, and its span. */
  async function atTheEnd({ name, counters, offload }: Session, reason: string): Promise<void> {
    const [line] = await bed.proxy.peer.output(/^\{.*"bytes_in".*$/mu);
    const logged = JSON.parse(line) as Record<string, unknown>;
    expect(logged).to.include({
      ...{ session: name, reason, dropped_in: 0, dropped_out: 0 },
      ...{ bytes_in: counters.ingress.bytes, bytes_out: counters.egress.bytes },
      ...{ packets_in: counters.ingress.packets, packets_out: counters.egress.packets },
    });
    const span = await until('its span', () => collector.spans.find(({ kind }) => kind === 2));
    expect([span.traceId, span.spanId]).to.deep.equal([logged['trace_id'], logged['span_id']]);
    expect(span.attributes).to.include(
      Object.fromEntries(
        DIRECTIONS.flatMap((way) => [
          [`l7mp.${way}.bytes`, counters[way].bytes],
          [`l7mp.${way}.packets`, counters[way].packets],
          ...(offload.traffic ? [[`l7mp.kernel.${way}.bytes`, offload.traffic[way].bytes]] : []),
        ]),
      ),
    );
    await until('its end by OTLP', () => collector.metric('l7mp.sessions.closed', { listener: 'in', reason }) === 1);
    expect(bed.curl('/metrics')).to.include(`\nl7mp_sessions_closed_total{listener="in",reason="${reason}"} 1\n`);
    const sums = collector.points.filter((point) => point.name === 'l7mp.listener.bytes');
    expect(sums).to.not.be.empty;
    for (const { start } of sums) expect(Number(start)).to.be.lessThan(Number(span.start));
  }

  it('TCP in user space', async () => {
    const talk = (place: 'client' | 'server', address: string, port: number): Talker => {
      const talker = new Talker(place, [PYTHON, '-c', TCP_PEER, place, address, String(port)]);
      talkers.push(talker);
      return talker;
    };
    const server = talk('server', FOUR.server, 9000);
    await server.next('ready');
    await startProxy('TCP', {});
    const client = talk('client', FOUR.proxy, 5000);
    await Promise.all([client.next('connected'), server.next('connected')]);
    for (const count of [1, 1000, 70_000]) await say(client, count, server);
    await say(server, 123_456, client);
    const { sent, received } = await report(client);
    expect([sent, received]).to.deep.equal([71_001, 123_456]);

    const session = await byRest({ ingress: { bytes: sent }, egress: { bytes: received } });
    expect(session.offload.traffic).to.equal(undefined);
    await byBrowser(session, 'user');
    await byMetrics(session);
    for (const talker of [client, server]) talker.tell('close');
    await atTheEnd(session, 'OK');
  });

  it('UDP in the kernel', async () => {
    await bed.serve(FOUR.server);
    await startProxy('UDP', { offload: 'always' });
    const hot = bed.sender(FOUR);
    await bed.inKernel();
    const sent = await hot.stop();

    const session = await byRest({ ingress: sent, egress: sent });
    for (const way of DIRECTIONS) expect(session.offload.traffic?.[way].packets, way).to.be.above(1000);
    await byBrowser(session, 'kernel');
    await byMetrics(session);
    bed.curl(`/api/v1/sessions/${encodeURIComponent(session.name)}`, '-X', 'DELETE');
    await atTheEnd(session, 'DELETED');
  });
});
