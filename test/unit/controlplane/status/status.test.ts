/** What is known of proxies: here, and through the store on other replicas. */
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import { typeUrlOf } from '../../../../config/wire-kinds.ts';
import { RpcError, STATUS, type Call } from '../../../../controlplane/core/rpc.ts';
import { REPORTS } from '../../../../rpc/features.ts';
import { createReportService } from '../../../../controlplane/status/report-service.ts';
import { TrafficBoard } from '../../../../controlplane/status/traffic-board.ts';
import { Acked, Facts } from '../../../../controlplane/status/facts.ts';
import { APPLY, NOBODY, object, recordingLog, type Rig, startRig, FIRST_PAGE } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

const CLUSTER = { spec: { protocol: 'UDP', port: 1 }, endpoints: ['10.0.0.1'] };
const KEY = { kind: 'Cluster', name: 'c' };

describe('the status of objects and proxies', () => {
  let rig: Rig;

  beforeEach(async () => {
    rig = await startRig();
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
    await until('the views', () => rig.configuration.figures().revision > 0);
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
        await until('the report to be taken', () => answers > before);
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
    const faults = (): unknown => rig.configuration.figures().faults;
    expect(faults()).to.deep.include({ type: typeUrlOf('Cluster'), kind: 'failed', count: 1 });
    await report.send('c', version, 'serving');
    expect(faults()).to.deep.equal([]);
    expect([await counts(), (await status()).failed]).to.deep.equal([[2, 2, 2], []]);
    await report.end();
    two.leave();
    expect(await counts()).to.deep.equal([1, 1, 1]);
  });

  it('takes nothing for serving in a proxy that reports before it has reported, nor when its reports have ended', async () => {
    const proxy = rig.proxy('edge-1', {}, [REPORTS]);
    proxy.ack();
    expect(await counts()).to.deep.equal([1, 1, 0]);
    const report = reports('edge-1');
    await report.send('c', proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version, 'serving');
    expect(await counts()).to.deep.equal([1, 1, 1]);
    await report.end();
    expect(await counts()).to.deep.equal([1, 1, 0]);
  });

  it('says what a proxy refused and why, until it takes another version', async () => {
    const proxy = rig.proxy('edge-1');
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'd', CLUSTER)] });
    await until('the other cluster', () => proxy.view.names().includes('Cluster/d'));
    proxy.ack();
    const before = proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version;
    await rig.call('Apply', {
      ...APPLY,
      objects: [object('Cluster', 'c', { ...CLUSTER, spec: { protocol: 'UDP', port: 2 } })],
    });
    await until('the new version', () => proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version !== before);
    proxy.nack(typeUrlOf('Cluster'), 'c: spec.port: expected a port that is free, found 2');
    expect((await status()).failed).to.deep.equal([
      { proxy: 'edge-1', kind: 'NACK', message: 'c: spec.port: expected a port that is free, found 2' },
    ]);
    expect(await counts()).to.deep.equal([1, 0, 0]);
    const { object: other } = await rig.call<m.GetResponse>('Get', { key: { kind: 'Cluster', name: 'd' } });
    expect(other?.status?.acked).to.equal(1); // the others of the response were taken
    const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', FIRST_PAGE);
    expect(proxies[0]?.faults.map(({ name, kind }) => [name, kind])).to.deep.equal([['c', 'NACK']]);
    expect(proxies[0]?.types.find(({ type_url }) => type_url === typeUrlOf('Cluster'))?.nack).to.contain('found 2');
    const refused = proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version;
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'c', CLUSTER)] });
    await until('the next version', () => proxy.view.resources(typeUrlOf('Cluster')).get('c')!.version !== refused);
    expect((await status()).failed).to.deep.equal([]); // what was refused was another version
    proxy.ack();
    expect([(await status()).failed, await counts()]).to.deep.equal([[], [1, 1, 1]]);
  });

  it('says of each proxy how an object fares in it, whatever it does in others', async () => {
    const key = { kind: 'Cluster', name: 'c' };
    const fates = async (of = key) => {
      const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', { ...FIRST_PAGE, key: of });
      return proxies.map(({ id, fate }) => [id, fate?.state, fate?.reason]);
    };
    const names = ['edge-1', 'edge-2', 'edge-3', 'edge-4'];
    const [one, two, three, four] = names.map((id) => rig.proxy(id, {}, id === 'edge-4' ? [] : [REPORTS]));
    expect(await fates()).to.deep.equal(names.map((id) => [id, 'pending', 'it has not subscribed to these']));
    for (const proxy of [one, two, three, four]) proxy?.subscribe(typeUrlOf('Cluster'));
    expect((await fates())[0]).to.deep.equal(['edge-1', 'pending', 'it has not answered yet']);
    for (const proxy of [one, two, three, four]) proxy?.ack();
    expect((await fates())[0]).to.deep.equal(['edge-1', 'acked', '']); // it is to report
    const { version } = one!.view.resources(typeUrlOf('Cluster')).get('c')!;
    const [first, second, third] = [reports('edge-1'), reports('edge-2'), reports('edge-3')];
    await first.send('c', version, 'serving');
    await second.send('c', version, 'failed', 'ADDRESS_IN_USE: the port is taken');
    await third.send('c', version, 'accepted', 'waits for its endpoints');
    expect(await fates()).to.deep.equal([
      ['edge-1', 'serving', ''],
      ['edge-2', 'failed', 'ADDRESS_IN_USE: the port is taken'],
      ['edge-3', 'waiting', 'waits for its endpoints'],
      ['edge-4', 'serving', ''], // it doesn't report: to have it is to serve it
    ]);
    // One that is refused leaves the others of its type as they are.
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'd', CLUSTER)] });
    await until('the other cluster', () => one!.view.names().includes('Cluster/d'));
    one!.nack(typeUrlOf('Cluster'), 'd: spec.port: expected another, found 2');
    expect((await fates())[0]).to.deep.equal(['edge-1', 'serving', '']);
    expect((await fates({ kind: 'Cluster', name: 'd' }))[0]).to.include.members(['edge-1', 'NACK']);
    const error: unknown = await fates({ kind: 'Cluster', name: 'none' }).catch((thrown: unknown) => thrown);
    expect(String(error)).to.contain('expected an object, found no Cluster/none');
    await Promise.all([first.end(), second.end(), third.end()]);
  });

  it('counts and tells apart more faults than are shown', async () => {
    const many = Array.from({ length: 150 }, (_, index) => object('Cluster', `d-${index}`, CLUSTER));
    await rig.call('Apply', { ...APPLY, objects: many });
    const proxy = rig.proxy('edge-1', {}, [REPORTS]);
    await until('all clusters', () => proxy.view.resources(typeUrlOf('Cluster')).size === 151);
    proxy.subscribe(typeUrlOf('Cluster'));
    proxy.ack();
    const report = reports('edge-1');
    const versions = proxy.view.resources(typeUrlOf('Cluster'));
    for (const { key } of many) await report.send(key!.name, versions.get(key!.name)!.version, 'failed', 'why');
    await report.send('c', versions.get('c')!.version, 'serving');
    const fateOf = async (name: string) => {
      const request = { ...FIRST_PAGE, key: { kind: 'Cluster', name } };
      const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', request);
      expect(proxies[0]?.faults).to.have.length(100);
      return proxies[0]?.fate?.state;
    };
    expect(await fateOf('c')).to.equal('serving');
    expect([await fateOf('d-0'), await fateOf('d-149')]).to.deep.equal(['failed', 'failed']);
    const last = await rig.call<m.GetResponse>('Get', { key: { kind: 'Cluster', name: 'd-149' } });
    expect(last.object?.status?.failed).to.have.length(1);
    await report.end();
  });

  it('waits for proxies that have yet to come back after a start', async () => {
    const other = await startRig({ reconnectMs: 60_000 });
    try {
      const objects = [object('Cluster', 'c', CLUSTER)];
      const { revision } = await other.call<m.ApplyResponse>('Apply', { ...APPLY, objects });
      const request = { keys: [KEY], condition: '', min_proxies: 0, revision };
      const answers = other.stream<m.WaitAppliedResponse>('WaitApplied', request)[Symbol.asyncIterator]();
      const next = async (): Promise<m.WaitAppliedResponse> => (await answers.next()).value as m.WaitAppliedResponse;
      expect(await next()).to.include({ done: false, selected: 0 });
      const proxy = other.proxy('edge-1');
      await until('the cluster', () => proxy.view.names().includes('Cluster/c'));
      proxy.ack();
      let last = await next();
      while (!last.done) last = await next();
      expect(last).to.include({ done: true, selected: 1, reached: 1 });
    } finally {
      await other.close();
    }
  });

  it('says that nobody is to have an object once proxies had their time to come back', async () => {
    const other = await startRig({ reconnectMs: 300 });
    try {
      const objects = [object('Cluster', 'c', CLUSTER)];
      const { revision } = await other.call<m.ApplyResponse>('Apply', { ...APPLY, objects });
      const request = { keys: [KEY], condition: '', min_proxies: 0, revision };
      const done: boolean[] = [];
      for await (const answer of other.stream<m.WaitAppliedResponse>('WaitApplied', request)) done.push(answer.done);
      expect([done.length > 1, done.at(-1)]).to.deep.equal([true, true]);
    } finally {
      await other.close();
    }
  });

  it('takes nothing for accepted that a refusal may name beyond what is read of it', async () => {
    const proxy = rig.proxy('edge-1');
    await rig.call('Apply', { ...APPLY, objects: [object('Cluster', 'd', CLUSTER)] });
    await until('the other cluster', () => proxy.view.names().includes('Cluster/d'));
    const typeUrl = typeUrlOf('ClusterLoadAssignment');
    const held = [...proxy.view.resources(typeUrl)].map(([name, { version }]) => [name, version] as const);
    rig.configuration.catalog.observe({ type: 'ack', id: 'edge-1', typeUrl, versions: new Map(held), removed: [] });
    proxy.nack(typeUrlOf('Cluster'), `c: no\n${'c: and no\n'.repeat(10_000)}d: no`);
    expect((await status()).failed.map(({ message }) => message.slice(0, 5))).to.deep.equal(['c: no']);
    const { object: other } = await rig.call<m.GetResponse>('Get', { key: { kind: 'Cluster', name: 'd' } });
    expect(other?.status).to.include({ selected: 1, acked: 0 });
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
    const service = createReportService({ report: () => 0, unreport: () => {} }, new TrafficBoard(), log);
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

describe('proxies that take some of what there is', () => {
  const [CLUSTERS, ASSIGNMENTS, LISTENERS] = (['Cluster', 'ClusterLoadAssignment', 'Listener'] as const).map(typeUrlOf);
  const LISTENER = { spec: { protocol: 'UDP', port: 5000 }, rules: [{ action: { route: { destination: 'c' } } }] };
  let rig: Rig;

  const start = async (quiet: number): Promise<void> => {
    rig = await startRig({ tracker: { quiet } });
    const objects = [
      object('Cluster', 'c', CLUSTER),
      object('Listener', 'l', LISTENER),
      object('Cluster', 'found', { spec: { protocol: 'UDP', port: 1 }, discovery: 'found-here' }),
      object('ClusterLoadAssignment', 'found-here', { endpoints: ['10.0.0.1'] }),
      object('ClusterLoadAssignment', 'lonely', { endpoints: ['10.0.0.1'] }),
    ];
    await rig.call('Apply', { ...APPLY, objects });
    await until('the views', () => rig.configuration.figures().revision > 0);
  };
  afterEach(() => rig.close());

  /** How many proxies there should be, and are: of an object. */
  const counts = async (id: string): Promise<string> => {
    const [kind = '', name = ''] = id.split('/');
    const { object: shown } = await rig.call<m.GetResponse>('Get', { key: { kind, name } });
    return `${shown?.status?.acked} of ${shown?.status?.selected}`;
  };
  const become = async (id: string, wanted: string): Promise<void> => {
    let found = '';
    await until(`${wanted} of ${id}`, () => {
      void counts(id).then((now) => (found = now));
      return found === wanted;
    });
  };
  /** Takes the resources of a type that have these names. */
  const take = (proxy: ReturnType<Rig['proxy']>, typeUrl: string, ...names: readonly string[]): void => {
    const resources = proxy.view.resources(typeUrl);
    const versions = new Map(names.map((name) => [name, resources.get(name)!.version]));
    rig.configuration.catalog.observe({ type: 'ack', id: proxy.facts.id, typeUrl, versions, removed: [] });
  };

  it('are waited for with what they ask for, and with nothing else', async () => {
    await start(1);
    const partial = rig.proxy('edge-1');
    partial.subscribe(ASSIGNMENTS!, ['c']);
    await become('Listener/l', '0 of 0');
    await become('Cluster/found', '0 of 0');
    await become('Cluster/c', '0 of 1');
    take(partial, ASSIGNMENTS!, 'c');
    await become('Cluster/c', '1 of 1'); // by its endpoints: the cluster itself is in its own file
    const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', FIRST_PAGE);
    expect(proxies[0]?.types.map(({ type_url, synced }) => [type_url, synced])).to.deep.equal([[ASSIGNMENTS, true]]);
    const whole = rig.proxy('edge-2');
    for (const typeUrl of [CLUSTERS!, LISTENERS!]) whole.subscribe(typeUrl);
    await become('Listener/l', '0 of 1');
    await become('Cluster/c', '1 of 2');
    const done = rig.stream<m.WaitAppliedResponse>('WaitApplied', {
      keys: [{ kind: 'Cluster', name: 'c' }],
      condition: 'acked',
      revision: 0,
      min_proxies: 2,
    });
    const progress = (async () => {
      let last: m.WaitAppliedResponse | undefined;
      for await (const each of done) last = each;
      return last;
    })();
    take(whole, CLUSTERS!, 'c', 'found');
    take(whole, ASSIGNMENTS!, 'c');
    expect(await progress).to.include({ done: true, selected: 2, reached: 2 });
  });

  it('come to ask for the endpoints of clusters that they take, and for no others', async () => {
    await start(1);
    const proxy = rig.proxy('edge-1');
    proxy.subscribe(CLUSTERS!);
    proxy.subscribe(ASSIGNMENTS!, []);
    await become('ClusterLoadAssignment/lonely', '0 of 0');
    take(proxy, CLUSTERS!, 'c', 'found');
    await become('ClusterLoadAssignment/lonely', '0 of 0');
    await become('ClusterLoadAssignment/found-here', '0 of 1');
    proxy.subscribe(ASSIGNMENTS!, ['c', 'found-here']);
    take(proxy, ASSIGNMENTS!, 'found-here');
    await become('ClusterLoadAssignment/found-here', '1 of 1');
    await become('Cluster/c', '0 of 1');
  });

  it('count with everything until they have asked for nothing new for a while', async () => {
    await start(60_000);
    const [silent, asking] = [rig.proxy('edge-1'), rig.proxy('edge-2')];
    asking.subscribe(CLUSTERS!);
    expect(await counts('Listener/l')).to.equal('0 of 2');
    silent.ack();
    expect(await counts('Listener/l')).to.equal('1 of 2');
  });

  it('count with everything while they have asked for nothing at all', async () => {
    await start(1);
    const [, asking] = [rig.proxy('edge-1'), rig.proxy('edge-2')];
    asking.subscribe(CLUSTERS!);
    await become('Listener/l', '0 of 1');
  });

  it('do not hold what they do not ask for any more, nor are they behind with it', async () => {
    await start(1);
    const proxy = rig.proxy('edge-1');
    proxy.subscribe(CLUSTERS!, ['c', 'found']);
    take(proxy, CLUSTERS!, 'c', 'found');
    proxy.nack(CLUSTERS!, 'found: no');
    proxy.subscribe(CLUSTERS!, ['c'], ['found']);
    take(proxy, CLUSTERS!, 'c');
    await become('Cluster/found', '0 of 0');
    const changed = object('Cluster', 'found', { spec: { protocol: 'UDP', port: 2 }, discovery: 'found-here' });
    await rig.call('Apply', { ...APPLY, objects: [changed] });
    const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', FIRST_PAGE);
    expect(proxies[0]?.types[0]).to.include({ resources: 1, synced: true });
    expect(proxies[0]?.faults).to.deep.equal([]);
  });

  it('are behind where they ask for all and have not got all', async () => {
    await start(1);
    const proxy = rig.proxy('edge-1');
    proxy.subscribe(CLUSTERS!);
    const synced = async (): Promise<boolean | undefined> => {
      const { proxies } = await rig.call<m.ListProxiesResponse>('ListProxies', FIRST_PAGE);
      return proxies[0]?.types[0]?.synced;
    };
    expect(await synced()).to.equal(false);
    take(proxy, CLUSTERS!, 'c');
    expect(await synced()).to.equal(false);
    take(proxy, CLUSTERS!, 'found');
    expect(await synced()).to.equal(true);
  });
});
