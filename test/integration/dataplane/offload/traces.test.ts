/** What a recorded trace tells of a session that the kernel relays: when it went there and came back, why, and how much passed there. */
import { expect } from 'chai';
import { L7MP } from '../../../support/command.ts';
import { OtelCollector } from '../../../support/otel-collector.ts';
import { Peer, PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { Bed, configuration, FOUR, IN_PROXY, type Session } from './bed.ts';
import { type Report, Talker, TCP_PEER } from './tcp-lab.ts';

const SERVER = 2;
const CLIENT = 3;

/** What the events of a span are called in the session's timeline. */
const WAY = [
  ['accept', 'INIT'],
  ['match', 'LOOKUP SUCCESS'],
  ['connect', 'CONNECT'],
  ['offload', 'KERNEL'],
  ['hand_back', 'USER SPACE'],
  ['offload', 'KERNEL'],
  ['close', 'END'],
] as const;

describe(`traces of sessions in the kernel, with ${versionOf(PYTHON, '--version')}`, () => {
  let bed: Bed;
  let collector: OtelCollector;
  const others: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    bed = new Bed();
    collector = await OtelCollector.start();
  });
  afterEach(async () => {
    for (const other of others.splice(0)) await other.stop();
    await bed.close();
    await collector.stop();
  });

  async function startProxy(config: object): Promise<void> {
    await bed.wayOut(Number(new URL(collector.endpoint()).port));
    const env = [`OTEL_EXPORTER_OTLP_ENDPOINT=${collector.endpoint()}`, 'OTEL_TRACES_SAMPLER=always_on'];
    await bed.startProxy(config, `env ${env.join(' ')} OTEL_BSP_SCHEDULE_DELAY=50`);
  }

  /** Waits until the kernel relays the session, somebody looks at it, nobody does any more, and the kernel relays it again. */
  async function thereAndBack(): Promise<Session> {
    await bed.inKernel(100);
    const tap = new Peer('ip', [...IN_PROXY, L7MP, 'tap', 'in', '--api', bed.proxy.api, '--count', '20']);
    others.push(tap);
    expect(await tap.exit, tap.stderr).to.equal(0);
    await until('the session in the kernel again', () =>
      bed.sessions()[0]?.events.some(({ event }, index) => event === 'KERNEL' && index > 3),
    );
    return bed.inKernel(100);
  }

  /** The session has ended: its span tells what its timeline does, and as much traffic as passed by its client's count. */
  async function isTold(transport: string, sent: number, received: number): Promise<void> {
    const session = await until('the end', () => bed.sessions().find(({ status }) => status === 'DESTROYED'));
    const spans = await until('both spans', () => collector.spans.length >= 2 && collector.spans);
    expect(spans.map(({ kind }) => kind)).to.have.members([SERVER, CLIENT]);
    const [span, attempt] = [SERVER, CLIENT].map((kind) => spans.find((each) => each.kind === kind));
    expect([attempt?.traceId, attempt?.parentSpanId]).to.deep.equal([span?.traceId, span?.spanId]);

    const events = span?.events ?? [];
    const told = events.map(({ name, attributes }) => [name, attributes['message']]);
    expect(session.events.slice(0, -1).map(({ event }) => event)).to.deep.equal(WAY.map(([, event]) => event));
    expect(told).to.deep.equal(WAY.map(([name], index) => [name, session.events[index]?.message]));
    expect(told[3]?.[1]).to.match(/^the kernel relays it/u);
    expect(told[4]?.[1]).to.equal('expected nobody to look at it, found a tap');
    for (const [index, { name, time }] of events.entries()) {
      // Either reads the clock for itself, between which a machine may stall.
      expect(Number(time / 1_000_000n), name).to.be.closeTo(Date.parse(session.events[index]?.timestamp ?? ''), 2000);
    }

    const { ingress, egress } = session.offload.traffic ?? {};
    expect(Math.min(ingress?.bytes ?? 0, egress?.bytes ?? 0)).to.be.above(0);
    expect(span?.attributes).to.include({
      'network.transport': transport,
      'l7mp.ingress.bytes': sent,
      'l7mp.egress.bytes': received,
      'l7mp.kernel.ingress.bytes': ingress?.bytes,
      'l7mp.kernel.egress.bytes': egress?.bytes,
    });
  }

  it('UDP', async () => {
    await bed.serve(FOUR.server);
    await startProxy(configuration(FOUR, 'always', { track: 60 }));
    const hot = bed.sender(FOUR);
    const { name } = await thereAndBack();
    const sent = await hot.stop();
    await bed.counted(sent);
    bed.curl(`/api/v1/sessions/${encodeURIComponent(name)}`, '-X', 'DELETE');
    await isTold('udp', sent.bytes, sent.bytes);
  });

  it('TCP', async () => {
    const talk = (place: 'client' | 'server', address: string, port: number): Talker => {
      const talker = new Talker(place, [PYTHON, '-c', TCP_PEER, place, address, String(port), 'endless=1']);
      others.push(talker);
      return talker;
    };
    const server = talk('server', FOUR.server, 9000);
    await server.next('ready');
    await startProxy({
      admin: { offload: 'init' },
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'TCP', port: 5000, address: FOUR.listen },
          options: { offload: 'always', track: 60 },
          rules: [{ action: { route: { destination: 'out' } } }],
        },
      ],
      clusters: [{ name: 'out', spec: { protocol: 'TCP', port: 9000 }, endpoints: [FOUR.server] }],
    });
    const client = talk('client', FOUR.proxy, 5000);
    await thereAndBack();
    for (const talker of [client, server]) talker.tell('close');
    const { sent, received } = await client.next<Report>('done');
    await isTold('tcp', sent, received);
  });
});
