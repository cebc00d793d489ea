/** What is known of proxies: here, and through the store on other replicas. */
import { expect } from 'chai';
import type * as m from '../../../gen/messages.ts';
import { typeUrlOf } from '../../../config/wire-kinds.ts';
import { RpcError, STATUS, type Call } from '../../../controlplane/core/rpc.ts';
import { createReportService } from '../../../controlplane/status/report-service.ts';
import { Acked, Facts } from '../../../controlplane/status/facts.ts';
import { APPLY, NOBODY, object, recordingLog, type Rig, startRig } from '../../support/controlplane.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { until } from '../../support/pipeline.ts';

const CLUSTER = { spec: { protocol: 'UDP', port: 1 }, endpoints: ['10.0.0.1'] };
const KEY = { kind: 'Cluster', name: 'c' };

describe('the status of objects and proxies', () => {
  let rig: Rig;

  beforeEach(async () => {
    rig = await startRig();
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
    await until(() => rig.configuration.figures().revision > 0, 'the views');
  });

  afterEach(() => rig.close());

  const status = async (of = rig): Promise<m.ObjectStatus> =>
    (await of.call<m.GetResponse>('Get', { key: KEY })).object!.status!;
  const counts = async (of = rig) => {
    const { selected, acked, serving } = await status(of);
    return [selected, acked, serving];
  };

  /** Reports as a proxy does; ends it. */
  function reports(node: string, of = rig) {
    const queue: m.ReportRequest[] = [];
    let wake = (): void => {};
    let over = false;
    async function* requests(): AsyncIterable<m.ReportRequest> {
      for (;;) {
        const next = queue.shift();
        if (next) yield next;
        else if (over) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    let answers = 0;
    const done = (async () => {
      const stream = of.stream('Report', requests(), undefined, 'l7mp.admin.v1.ReportService');
      const taken = stream[Symbol.asyncIterator]();
      while ((await taken.next()).done !== true) answers++;
    })();
    return {
      send: async (name: string, version: string, state: string, reason = ''): Promise<void> => {
        const before = answers;
        const one = { type_url: typeUrlOf('Cluster'), name, version, state, reason };
        const assigned = { ...one, type_url: typeUrlOf('ClusterLoadAssignment'), state: 'accepted' };
        const other = of.configuration.catalog.viewOf(node)?.resources(assigned.type_url).get(name)?.version ?? '';
        queue.push({ node: before === 0 ? node : '', resources: [one, { ...assigned, version: other }] });
        wake();
        await until(() => answers > before, 'the report to be taken');
      },
      end: async (): Promise<void> => {
        over = true;
        wake();
        await done;
      },
    };
  }

  it('tells apart who is selected, who took it, and in whom it serves', async () => {
    const [one, two] = [rig.proxy('edge-1'), rig.proxy('edge-2')];
    expect(await counts()).to.deep.equal([2, 0, 0]);
    one.ack();
    expect(await counts()).to.deep.equal([2, 1, 1]); // it doesn't report: to have it is to serve it
    two.ack();
    const report = reports('edge-2');
    const version = two.view.resources(typeUrlOf('Cluster')).get('c')!.version;
    await report.send('c', version, 'accepted');
    expect(await counts()).to.deep.equal([2, 2, 1]);
    await report.send('c', version, 'failed', 'no such host');
    expect((await status()).failed).to.deep.equal([{ proxy: 'edge-2', kind: 'failed', message: 'c: no such host' }]);
    await report.send('c', version, 'serving');
    expect([await counts(), (await status()).failed]).to.deep.equal([[2, 2, 2], []]);
    await report.end();
    two.leave();
    expect(await counts()).to.deep.equal([1, 1, 1]);
  });

  it('says what a proxy refused and why, until it takes another version', async () => {
    const proxy = rig.proxy('edge-1');
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'd', CLUSTER)] });
    await until(() => proxy.view.names().includes('Cluster/d'), 'the other cluster');
    proxy.ack();
    const before = proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version;
    await rig.call('Apply', {
      ...APPLY,
      objects: [object('Cluster', 'c', { ...CLUSTER, spec: { protocol: 'UDP', port: 2 } })],
    });
    await until(() => proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version !== before, 'the new version');
    proxy.nack(typeUrlOf('Cluster'), 'c: spec.port: expected a port that is free, found 2');
    expect((await status()).failed).to.deep.equal([
      { proxy: 'edge-1', kind: 'NACK', message: 'c: spec.port: expected a port that is free, found 2' },
    ]);
    expect(await counts()).to.deep.equal([1, 0, 0]);
    const { object: other } = await rig.call<m.GetResponse>('Get', { key: { kind: 'Cluster', name: 'd' } });
    expect(other?.status?.acked).to.equal(1); // the others of the response were taken
    const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', {});
    expect(proxies[0]?.faults.map(({ name, kind }) => [name, kind])).to.deep.equal([['c', 'NACK']]);
    expect(proxies[0]?.types.find(({ type_url }) => type_url === typeUrlOf('Cluster'))?.nack).to.contain('found 2');
    const refused = proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version;
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
    await until(() => proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version !== refused, 'the next version');
    expect((await status()).failed).to.deep.equal([]); // what was refused was another version
    proxy.ack();
    expect([(await status()).failed, await counts()]).to.deep.equal([[], [1, 1, 1]]);
  });

  it('takes nothing for accepted that a refusal may name beyond what is read of it', async () => {
    const proxy = rig.proxy('edge-1');
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'd', CLUSTER)] });
    await until(() => proxy.view.names().includes('Cluster/d'), 'the other cluster');
    const typeUrl = typeUrlOf('ClusterLoadAssignment');
    const held = [...proxy.view.resources(typeUrl)].map(([name, { version }]) => [name, version] as const);
    rig.configuration.catalog.observe({ type: 'ack', id: 'edge-1', typeUrl, versions: new Map(held), removed: [] });
    proxy.nack(typeUrlOf('Cluster'), `c: no\n${'c: and no\n'.repeat(10_000)}d: no`);
    expect((await status()).failed.map(({ message }) => message.slice(0, 5))).to.deep.equal(['c: no']);
    const { object: other } = await rig.call<m.GetResponse>('Get', { key: { kind: 'Cluster', name: 'd' } });
    expect(other?.status).to.include({ selected: 1, acked: 0 });
  });

  it('does not wait for a load assignment that no cluster names', async () => {
    const lonely = object('ClusterLoadAssignment', 'lonely', { endpoints: ['10.0.0.1'] });
    await rig.call('Apply', { ...APPLY, objects: [lonely] });
    const proxy = rig.proxy('edge-1');
    await until(() => proxy.view.names().includes('ClusterLoadAssignment/lonely'), 'the load assignment');
    rig.configuration.catalog.observe({
      type: 'ack',
      id: 'edge-1',
      typeUrl: typeUrlOf('Cluster'),
      versions: new Map(),
      removed: [],
    });
    const key = { kind: 'ClusterLoadAssignment', name: 'lonely' };
    const { object: shown } = await rig.call<m.GetResponse>('Get', { key });
    expect(shown?.status?.acked).to.equal(1);
  });

  it('shares what proxies hold among those that were told the same', () => {
    const [versions, more] = [new Map([['a', '1']]), new Map([['a', '2']])];
    const state = Acked.none.after(versions, []).after(more, []);
    expect(Acked.none.after(versions, []).after(more, [])).to.equal(state);
    expect([...state.versions]).to.deep.equal([['a', '2']]);
    expect([...state.after(more, ['a']).versions.keys()]).to.deep.equal([...more.keys()].slice(1));
    const report = [{ key: 'a', version: '1', state: 'serving' }];
    expect(Facts.none.after(report)).to.equal(Facts.none.after([...report]));
  });

  it('takes reports only from whom they are of', async () => {
    const log = recordingLog();
    const service = createReportService({ report: () => {}, unreport: () => {} }, log);
    const handler = service.methods!['Report'] as unknown as (requests: unknown, call: Call) => AsyncIterable<object>;
    const send = async (...requests: m.ReportRequest[]): Promise<number | undefined> => {
      const call = { identity: NOBODY, peer: '', metadata: {}, signal: new AbortController().signal };
      async function* all(): AsyncIterable<m.ReportRequest> {
        await Promise.resolve();
        yield* requests;
      }
      try {
        const answers = handler(all(), call)[Symbol.asyncIterator]();
        while ((await answers.next()).done !== true);
        return undefined;
      } catch (error) {
        return (error as RpcError).code;
      }
    };
    expect(await send({ node: 'edge-7', resources: [] })).to.equal(undefined);
    expect(await send({ node: 'core-1', resources: [] })).to.equal(STATUS.PERMISSION_DENIED);
    expect(log.lines[0]?.fields).to.include({ audit: true, node: 'core-1' });
    expect(await send({ node: '', resources: [] })).to.equal(STATUS.INVALID_ARGUMENT);
    expect(await send({ node: 'edge-7', resources: [] }, { node: 'edge-8', resources: [] })).to.equal(
      STATUS.INVALID_ARGUMENT,
    );
    const wrong = { type_url: '', name: '', version: '', state: 'fine', reason: '' };
    expect(await send({ node: 'edge-7', resources: [wrong] })).to.equal(STATUS.INVALID_ARGUMENT);
  });
});

describe('replicas', () => {
  it('answer for the proxies of each other, and forget one that is gone', async () => {
    const store = new MemoryStore();
    const options = { replicated: true, replicas: { interval: 5 } };
    const one = await startRig({ ...options, store, id: 'cp-1' });
    const two = await startRig({ ...options, store: new MemoryStore(store.disk), id: 'cp-2' });
    try {
      await one.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
      const proxies = [one.proxy('edge-1'), two.proxy('edge-2')];
      await until(() => proxies.every(({ view }) => view.names().length === 2), 'the views');
      for (const proxy of proxies) proxy.ack();
      proxies[1]!.nack(typeUrlOf('Cluster'), 'c: no');
      const status = async (rig: Rig) => {
        const { object: shown } = await rig.call<m.GetResponse>('Get', { key: KEY });
        const { selected, acked, failed } = shown!.status!;
        return [selected, acked, failed.map(({ proxy }) => proxy)].join();
      };
      const settled = async (rig: Rig, wanted: string): Promise<void> => {
        let found = '';
        await until(
          () => {
            void status(rig).then((now) => (found = now));
            return found === wanted;
          },
          `${wanted} of ${rig.store === store ? 'one' : 'two'}`,
        );
      };
      await settled(one, '2,2,edge-2');
      await settled(two, '2,2,edge-2');
      const shown = await one.call<m.ListProxiesResponse>('ListProxies', {});
      expect(shown.proxies.map(({ id, control_plane: at }) => [id, at])).to.deep.equal([
        ['edge-1', 'cp-1'],
        ['edge-2', 'cp-2'],
      ]);
      await two.close();
      await settled(one, '1,1,');
    } finally {
      await two.close();
      await one.close();
    }
  });
});
