/** The rules of docs/xds.md of the order in which types are pushed, by their numbers: incremental where not said otherwise. */
import { expect } from 'chai';
import { createView } from '../../../../controlplane/xds/view.ts';
import { CDS, discovery, EDS, LDS, put, RDS, resource, textsOf } from '../../../support/discovery.ts';
import { closers } from '../../../support/grpc.ts';

const cleanup = closers();

describe('rules of the discovery service: the order of types', () => {
  afterEach(() => cleanup.run());

  describe('rule 7: make before break', () => {
    const cluster = (name: string, text = name) => resource(CDS, name, text, { companion: { typeUrl: EDS, name } });
    const endpoints = (name: string, text = name) => resource(EDS, name, text);
    const types = [CDS, EDS, LDS, RDS];

    it('pushes clusters, endpoints, listeners and routes in this order, each when those before are answered, and removes last', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, cluster('old'), endpoints('old'), resource(LDS, 'l', '1'), resource(RDS, 'r', 'old'));
      const peer = delta();
      for (const type of types) {
        peer.subscribe(type, '*');
        await peer.taken();
      }
      view.apply({
        upsert: [resource(RDS, 'r', 'new'), resource(LDS, 'l', '2'), cluster('new'), endpoints('new')],
        remove: [
          { typeUrl: CDS, name: 'old' },
          { typeUrl: EDS, name: 'old' },
        ],
      });
      for (const [type, texts] of [
        [CDS, ['new=new']],
        [EDS, ['new=new']],
        [LDS, ['l=2']],
        [RDS, ['r=new']],
        [EDS, ['-old']],
        [CDS, ['-old']],
      ] as const) {
        const response = await peer.next();
        expect([response.type_url, textsOf(response)]).to.deep.equal([type, texts]);
        if (type !== EDS || texts[0] === 'new=new') await peer.nothing();
        peer.ack(response);
      }
    });

    it("pushes l7mp's own types in the order in which they refer to each other, and removes what they refer to last", async () => {
      const { view, delta } = await discovery(cleanup);
      const kinds = ['Secret', 'Cluster', 'ClusterLoadAssignment', 'Listener', 'RuleList', 'Rule', 'Route'];
      const own = kinds.map((kind) => `type.googleapis.com/l7mp.config.v1.${kind}`);
      const peer = delta();
      put(view, ...own.map((type) => resource(type, 'old', '1')));
      // Whatever the order in which it asks.
      for (const type of own.toReversed()) {
        peer.subscribe(type);
        await peer.taken();
      }
      view.apply({
        upsert: own.toReversed().map((type) => resource(type, 'new', '2')),
        remove: own.toReversed().map((typeUrl) => ({ typeUrl, name: 'old' })),
      });
      const expected = [
        ...kinds.map((kind, index) => [kind, index < 3 ? ['new=2'] : ['-old', 'new=2']] as const),
        ...['ClusterLoadAssignment', 'Cluster', 'Secret'].map((kind) => [kind, ['-old']] as const),
      ];
      const found: (readonly [string | undefined, readonly string[]])[] = [];
      while (found.length < expected.length) {
        const response = await peer.next();
        found.push([response.type_url.split('.').at(-1), textsOf(response)]);
        // Those that are removed wait for nobody among themselves.
        if (found.length < kinds.length) await peer.nothing();
        peer.ack(response);
      }
      expect(found).to.deep.equal(expected);
    });

    it('waits for the endpoints that a client asks for because of a new cluster', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, cluster('c'), endpoints('c'), resource(LDS, 'l', '1'));
      const peer = delta();
      peer.subscribe(CDS);
      peer.subscribe(EDS, 'c');
      peer.subscribe(LDS);
      for (const type of [CDS, EDS, LDS]) expect(await peer.taken()).to.include({ type_url: type });
      put(view, cluster('d'), endpoints('d'), resource(LDS, 'l', '2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['d=d']);
      await peer.nothing();
      peer.subscribe(EDS, 'd');
      const response = await peer.next();
      expect([response.type_url, textsOf(response)]).to.deep.equal([EDS, ['d=d']]);
      await peer.nothing();
      peer.ack(response);
      expect(textsOf(await peer.taken())).to.deep.equal(['l=2']);
    });

    it('goes on after a NACK, and where a client does not answer in time', async () => {
      const { view, delta } = await discovery(cleanup, { limits: { orderTimeoutMs: 100 } });
      const peer = delta();
      peer.subscribe(CDS);
      peer.subscribe(LDS);
      await peer.taken();
      await peer.taken();
      put(view, resource(CDS, 'c', '1'), resource(LDS, 'l', '1'));
      peer.nack(await peer.next(), 'no');
      expect(textsOf(await peer.taken())).to.deep.equal(['l=1']);
      put(view, resource(CDS, 'c', '2'), resource(LDS, 'l', '2'));
      expect(textsOf(await peer.next())).to.deep.equal(['c=2']);
      expect(textsOf(await peer.next())).to.deep.equal(['l=2']);
    });

    it('keeps a stale cluster in state of the world until the listeners are answered', async () => {
      const { view, sotw } = await discovery(cleanup);
      put(view, resource(CDS, 'old', 'O'), resource(LDS, 'l', 'L1'));
      const peer = sotw();
      peer.subscribe(CDS);
      peer.subscribe(LDS);
      await peer.taken();
      await peer.taken();
      view.apply({
        upsert: [resource(CDS, 'new', 'N'), resource(LDS, 'l', 'L2')],
        remove: [{ typeUrl: CDS, name: 'old' }],
      });
      expect(textsOf(await peer.taken())).to.deep.equal(['N', 'O']);
      const listeners = await peer.next();
      expect(textsOf(listeners)).to.deep.equal(['L2']);
      await peer.nothing();
      peer.ack(listeners);
      expect(textsOf(await peer.taken())).to.deep.equal(['N']);
    });

    it('removes a listener in the response that brings another', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, resource(LDS, 'l', 'L'));
      const peer = delta();
      peer.subscribe(LDS);
      await peer.taken();
      view.apply({ upsert: [resource(LDS, 'm', 'M')], remove: [{ typeUrl: LDS, name: 'l' }] });
      expect(textsOf(await peer.taken())).to.deep.equal(['-l', 'm=M']);
    });
  });

  describe('rule 8: the endpoints of a cluster are sent again after it has changed, and after a reconnect', () => {
    const companion = { typeUrl: EDS, name: 'service' };
    const e = resource(EDS, 'service', 'E');

    it('whatever they are called, in both variants', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      put(view, resource(CDS, 'c', '1', { companion }), e, resource(EDS, 'other', 'X'));
      const incremental = delta('d');
      const full = sotw('s');
      for (const peer of [incremental, full]) {
        peer.subscribe(CDS);
        await peer.taken();
        peer.subscribe(EDS, 'service', 'other');
        await peer.taken();
      }
      put(view, resource(CDS, 'c', '2', { companion }));
      for (const peer of [incremental, full]) {
        expect(await peer.taken()).to.include({ type_url: CDS });
        const again = await peer.taken();
        expect(again.type_url).to.equal(EDS);
        expect(textsOf(again).join()).to.match(/E$/u);
        await peer.nothing();
      }
    });

    it('after a reconnect though the client has them, where it names them', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, e);
      const peer = delta();
      const initial_resource_versions = { service: e.version };
      peer.send({ type_url: EDS, resource_names_subscribe: ['service'], initial_resource_versions });
      expect(textsOf(await peer.taken())).to.deep.equal(['service=E']);
    });

    it('after a reconnect where the cluster has changed meanwhile, though the client subscribes to all', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, resource(CDS, 'c', '2', { companion }), resource(CDS, 'd', 'D'), resource(CDS, 'f', 'F'), e);
      const d = resource(CDS, 'd', 'D').version;
      const f = resource(CDS, 'f', 'F').version;
      for (const types of [
        [CDS, EDS],
        [EDS, CDS],
      ]) {
        const peer = delta();
        for (const type_url of types) {
          const initial_resource_versions: Record<string, string> =
            type_url === EDS ? { service: e.version } : { c: 'x', d, f };
          peer.send({ type_url, resource_names_subscribe: ['*'], initial_resource_versions });
        }
        expect(textsOf(await peer.taken())).to.deep.equal(['c=2']);
        expect(textsOf(await peer.taken())).to.deep.equal(['service=E']);
      }
    });
  });
});

describe('a proxy that sees another view', () => {
  afterEach(() => cleanup.run());

  it('is pushed the difference, in both variants, make before break', async () => {
    const { view, catalog, delta, sotw } = await discovery(cleanup);
    const cluster = (name: string, text: string) => resource(CDS, name, text);
    put(view, cluster('same', 'S'), cluster('old', 'O'), cluster('changed', '1'), resource(LDS, 'l', 'L1'));
    const other = createView();
    put(other, cluster('same', 'S'), cluster('new', 'N'), cluster('changed', '2'), resource(LDS, 'l', 'L2'));
    const incremental = delta('d');
    const named = delta('d');
    const full = sotw('s');
    incremental.subscribe(CDS);
    named.subscribe(CDS, 'same', 'old', 'changed', 'new');
    full.subscribe(CDS);
    for (const peer of [incremental, named, full]) {
      await peer.taken();
      peer.subscribe(LDS);
      await peer.taken();
    }
    catalog.onMove('d', other);
    catalog.onMove('s', other);
    for (const peer of [incremental, named]) {
      expect(textsOf(await peer.taken())).to.deep.equal(['changed=2', 'new=N']);
      expect(textsOf(await peer.taken())).to.deep.equal(['l=L2']);
      expect(textsOf(await peer.taken())).to.deep.equal(['-old']);
    }
    expect(textsOf(await full.taken())).to.deep.equal(['2', 'N', 'O', 'S']);
    expect(textsOf(await full.taken())).to.deep.equal(['L2']);
    expect(textsOf(await full.taken())).to.deep.equal(['2', 'N', 'S']);
    put(view, cluster('same', 'not theirs'));
    put(other, cluster('same', 'theirs'));
    expect(textsOf(await incremental.taken())).to.deep.equal(['same=theirs']);
    expect(textsOf(await named.taken())).to.deep.equal(['same=theirs']);
  });
});
