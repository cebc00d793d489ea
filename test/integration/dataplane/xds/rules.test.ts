/** The rules of an xDS client, numbered as in docs/xds-client.md, on raw streams of a grpc-js server. */
import { expect } from 'chai';
import { any, RawControlPlane, type RawStream, typeUrl } from '../../../support/raw-control-plane.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';
import type { ControlPlaneOptions } from '../../../../dataplane/xds/types.ts';

const cluster = (name: string, port = 1) => ({
  name,
  spec: { tcp: { port } },
  endpoints: [{ name: 'e', spec: { address: '127.0.0.1' } }],
});
const bad = (name: string) => ({ name, spec: { tcp: { port: 70_000 } } });
const WRAPPER = 'type.googleapis.com/envoy.service.discovery.v3.Resource';
const WILDCARD = ['Secret', 'Cluster', 'Listener', 'RuleList', 'Rule', 'Route'];

describe('xDS client rules', () => {
  let plane: RawControlPlane;
  let proxy: TestProxy;
  const clusters = (): string[] => [...proxy.proxy.snapshot.clusters.keys()];
  const connect = async (
    options: Parameters<typeof RawControlPlane.start>[0] = {},
    timing: ControlPlaneOptions['timing'] = { backoffBase: 20, backoffCap: 100 },
  ) => {
    plane = await RawControlPlane.start(options);
    proxy = await startProxy({}, { controlPlane: { servers: [plane.address], timing } });
    return plane.stream();
  };
  afterEach(async () => {
    await proxy.close();
    plane.stop();
  });

  it('1 each response is answered: ACK with its nonce, NACK with all faults (delta)', async () => {
    const stream = await connect();
    const first = await stream.request('Secret');
    expect(first.node).to.deep.include({ id: 'proxy-1', metadata: { labels: { zone: 'a' } }, user_agent_name: 'l7mp' });
    const good = await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', cluster('a')] }));
    expect(good.error_detail).to.equal(undefined);
    const nonce = stream.delta('Cluster', { b: ['1', bad('b')], c: ['1', { name: 'c' }] });
    const { error_detail } = await stream.answerTo('Cluster', nonce);
    expect(error_detail?.code).to.equal(3);
    expect(error_detail?.message.split('\n')).to.have.length(2);
    expect(error_detail?.message).to.match(/^b: cluster\.spec\.port: expected .*65535.*, found 70000$/mu);
    expect(error_detail?.message).to.match(/^c: cluster\.spec: expected .*, found nothing$/mu);
    await stream.answerTo('Cluster', stream.delta('Cluster', {}));
  });

  it('1 each response is answered: ACK with its version, NACK with the last good one (state of the world)', async () => {
    const stream = await connect({ variants: ['sotw'] });
    expect(stream.variant).to.equal('sotw');
    const first = await stream.request('Cluster');
    expect(first).to.deep.include({ version_info: '', response_nonce: '', resource_names: [] });
    const ack = await stream.answerTo('Cluster', stream.sotw('Cluster', '7', [cluster('a')]));
    expect(ack).to.deep.include({ version_info: '7' });
    const nack = await stream.answerTo('Cluster', stream.sotw('Cluster', '8', [bad('b')]));
    expect(nack).to.deep.include({ version_info: '7' });
    expect(nack.error_detail?.message).to.match(/^b: /u);
    await until('a gone', () => !clusters().includes('a'));
    const again = await stream.answerTo('Cluster', stream.sotw('Cluster', '9', [cluster('b')]));
    expect(again).to.deep.include({ version_info: '9' }).and.not.to.have.property('error_detail');
  });

  it('1 an unknown type, and bytes that are no message, are refused', async () => {
    const stream = await connect();
    const strange = { type_url: typeUrl('Nonsense'), resources: [] };
    const nonce = stream.send(strange);
    expect((await stream.answerTo('Nonsense', nonce)).error_detail?.message).to.match(
      /expected a type that was asked for/u,
    );
    const resource = { type_url: typeUrl('Cluster'), value: Buffer.from([0xff, 0xff]) };
    const other = stream.send({
      type_url: typeUrl('Cluster'),
      resources: [{ name: 'x', version: '1', aliases: [], resource }],
    });
    expect((await stream.answerTo('Cluster', other)).error_detail?.message).to.match(
      /^x: .*a message of type Cluster/u,
    );
  });

  it('1 wrappers that are no message are refused, and what is good beside them is taken (state of the world)', async () => {
    const stream = await connect({ variants: ['sotw'] });
    const wrapper = { type_url: WRAPPER, value: Buffer.from([0x1a, 0x7f, 0xff]) };
    const nonce = stream.send({
      type_url: typeUrl('Cluster'),
      version_info: '1',
      resources: [wrapper, any('Cluster', cluster('a')), wrapper],
    });
    const nack = await stream.answerTo('Cluster', nonce);
    expect(nack.version_info).to.equal('');
    expect(nack.error_detail?.message).to.match(/^(: .*a message of type Resource, found .*\n?){2}$/u);
    await until('a', () => clusters().includes('a'));
    expect(stream.isOver).to.equal(false);
  });

  for (const variant of ['delta', 'sotw'] as const) {
    it(`1 responses that are no message end the stream, and nothing else (${variant})`, async () => {
      const stream = await connect({ variants: [variant] });
      const send = (each: RawStream) =>
        variant === 'delta'
          ? each.delta('Cluster', { a: ['1', cluster('a')] })
          : each.sotw('Cluster', '1', [cluster('a')]);
      await stream.answerTo('Cluster', send(stream));
      await until('a', () => clusters().includes('a'));
      stream.sendBytes(Buffer.from([0x12, 0x7f, 0xff]));
      const next = await plane.stream(1);
      expect(clusters()).to.deep.equal(['a']);
      await next.answerTo('Cluster', send(next));
    });
  }

  it('2 after a reconnect everything is asked for again, with the versions that are held (delta)', async () => {
    const stream = await connect();
    await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', cluster('a')], b: ['2', cluster('b')] }));
    await stream.answerTo('Cluster', stream.delta('Cluster', { c: ['1', bad('c')] }, ['b']));
    stream.end();
    const next = await plane.stream(1);
    for (const kind of WILDCARD) await next.request(kind);
    expect(next.requests[0]?.node?.id).to.equal('proxy-1');
    expect((await next.request('Cluster')).initial_resource_versions).to.deep.equal({ a: '1' });
    expect(next.requests.filter(({ type_url }) => type_url === typeUrl('ClusterLoadAssignment'))).to.deep.equal([]);
  });

  it('2 after a reconnect everything is asked for again, with the last version (state of the world)', async () => {
    const stream = await connect({ variants: ['sotw'] });
    await stream.answerTo('Cluster', stream.sotw('Cluster', '7', [cluster('a')]));
    stream.end();
    // The delta variant is tried again each time: the server may have it by now.
    const next = await plane.stream(1);
    expect(await next.request('Cluster')).to.deep.include({ version_info: '7', response_nonce: '' });
  });

  it('2 where a server is gone the next one is asked', async () => {
    const other = await RawControlPlane.start();
    try {
      plane = await RawControlPlane.start();
      proxy = await startProxy({}, { controlPlane: { servers: [plane.address, other.address] } });
      const [one, two] = await until('a stream', () =>
        plane.streams.length > 0 ? [plane, other] : other.streams.length > 0 && [other, plane],
      );
      await (await one.stream()).request('Cluster');
      one.stop();
      await (await two.stream()).request('Cluster');
    } finally {
      other.stop();
    }
  });

  it('3 what is configured stays while there is no connection', async () => {
    const stream = await connect({ auto: false });
    await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', cluster('a')] }));
    await until('a', () => clusters().includes('a'));
    plane.stop();
    await until('the end of the stream', () => stream.isOver);
    expect(clusters()).to.deep.equal(['a']);
  });

  it('4 good resources of a partly bad response are applied, and a bad one keeps its last good version', async () => {
    const stream = await connect();
    await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', cluster('a', 5)] }));
    const nonce = stream.delta('Cluster', { a: ['2', bad('a')], b: ['1', cluster('b')] });
    expect((await stream.answerTo('Cluster', nonce)).error_detail?.message).to.match(/^a: .*70000$/u);
    await until('b', () => clusters().includes('b'));
    expect(proxy.proxy.snapshot.clusters.get('a')?.value.spec).to.deep.include({ port: 5 });
  });

  it('5 ACK means accepted; whether it serves is reported apart', async () => {
    const taken = await startProxy({ listeners: [{ name: 'l', spec: 'tcp://127.0.0.1:0', rules: [] }] });
    try {
      const stream = await connect();
      const listener = { name: 'in', spec: { tcp: { address: '127.0.0.1', port: taken.port('l') } }, rules: 'rl' };
      await stream.answerTo('RuleList', stream.delta('RuleList', { rl: ['1', { name: 'rl' }] }));
      const answer = await stream.answerTo('Listener', stream.delta('Listener', { in: ['3', listener] }));
      expect(answer.error_detail).to.equal(undefined);
      const failed = await until(
        'a report',
        () => plane.reports.get('Listener in')?.state === 'failed' && plane.reports,
      );
      expect(failed.get('Listener in')).to.deep.include({ version: '3' });
      expect(failed.get('Listener in')?.reason).to.match(/^ADDRESS_IN_USE/u);
      expect(plane.reportRequests[0]?.node).to.equal('proxy-1');
      expect(plane.reports.get('RuleList rl')).to.deep.include({ state: 'serving', version: '1' });
      await taken.close();
      await until('serving', () => plane.reports.get('Listener in')?.state === 'serving');
      stream.delta('Listener', {}, ['in']);
      await until('removed', () => plane.reports.get('Listener in')?.state === 'removed');
    } finally {
      await taken.close();
    }
  });

  it('readiness waits for an answer of each type', async () => {
    const stream = await connect();
    for (const kind of WILDCARD) {
      expect(proxy.proxy.ready).to.equal(false);
      await stream.answerTo(kind, stream.delta(kind, {}));
    }
    await until('ready', () => proxy.proxy.ready);
  });

  const DISCOVERED = { name: 'a', spec: { tcp: {} }, discovery: {} };
  /** All but the endpoints of the cluster `a` is live: they are asked for. */
  const answerAll = async (stream: RawStream) => {
    const kinds = [...WILDCARD.filter((kind) => kind !== 'Cluster')];
    for (const kind of kinds) await stream.answerTo(kind, stream.delta(kind, {}));
    await stream.answerTo('Cluster', stream.delta('Cluster', { a: ['1', DISCOVERED] }));
    await stream.request('ClusterLoadAssignment');
  };

  it('readiness waits for the endpoints of each cluster', async () => {
    const stream = await connect();
    await answerAll(stream);
    expect(proxy.proxy.ready).to.equal(false);
    stream.delta('ClusterLoadAssignment', { a: ['1', { name: 'a', endpoints: [] }] });
    await until('ready', () => proxy.proxy.ready);
  });

  it('readiness does not wait for endpoints that there are none of', async () => {
    const stream = await connect();
    await answerAll(stream);
    expect(proxy.proxy.ready).to.equal(false);
    stream.delta('ClusterLoadAssignment', {}, ['a']);
    await until('ready', () => proxy.proxy.ready);
  });

  it('readiness does not wait for ever for endpoints that nobody tells of', async () => {
    const stream = await connect({}, { firstAnswers: 10 });
    await answerAll(stream);
    await until('ready', () => proxy.proxy.ready);
  });
});
