/** The rules of docs/xds.md of requests and subscriptions, by their numbers: incremental where not said otherwise. */
import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import { CDS, discovery, LDS, OTHER, put, resource, take, textsOf } from '../../../support/discovery.ts';
import { closers } from '../../../support/grpc.ts';
import { until } from '../../../support/until.ts';

const cleanup = closers();
const a = resource(OTHER, 'a', 'A');
const b = resource(OTHER, 'b', 'B');

describe('rules of the discovery service: requests and subscriptions', () => {
  afterEach(() => cleanup.run());

  describe("rule 1: the node is in a stream's first request, the type in every one, and nonces are of one stream", () => {
    it('remembers the node', async () => {
      const { view, catalog, delta } = await discovery(cleanup);
      put(view, a);
      const peer = delta('edge-1', { node: { metadata: { labels: { zone: 'x', n: 1 } } } as never });
      peer.subscribe(OTHER, 'a');
      await peer.taken();
      peer.subscribe(OTHER, 'b');
      expect(textsOf(await peer.taken())).to.deep.equal(['-b']);
      await until('both answers', () => catalog.events.length === 5);
      expect(catalog.attached).to.have.length(1);
      expect(catalog.attached[0]).to.deep.include({ id: 'edge-1', labels: { zone: 'x' }, variant: 'delta' });
      peer.stream.cancel();
      await until('the node to be detached', () => catalog.detached.length === 1);
      expect(catalog.events.map(({ type }) => type)).to.deep.equal([
        'connected',
        'subscribed',
        'ack',
        'subscribed',
        'ack',
        'disconnected',
      ]);
    });

    for (const [what, request, message] of [
      ['no node', { node: undefined, type_url: OTHER }, 'expected a node'],
      ['a node without identity', { node: { id: '' }, type_url: OTHER }, 'expected a node with an id'],
      ['no type', {}, 'expected a type_url'],
    ] as const) {
      it(`refuses ${what}`, async () => {
        const { delta, sotw } = await discovery(cleanup);
        for (const peer of [delta(), sotw()]) {
          peer.send(request as object);
          expect(await peer.end()).to.include({ code: grpc.status.INVALID_ARGUMENT });
          expect(peer.status?.details).to.include(message);
        }
      });
    }

    it('refuses another node on the same stream, and takes the same again', async () => {
      const { delta } = await discovery(cleanup);
      const peer = delta('one');
      peer.subscribe(OTHER);
      peer.ack(await peer.next(), { node: { id: 'one', cluster: 'x' } as never });
      await peer.nothing();
      peer.send({ node: { id: 'two' } as never, type_url: OTHER });
      expect(await peer.end()).to.include({ code: grpc.status.INVALID_ARGUMENT });
    });

    it('begins nonces anew on every stream, none twice on one', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a);
      const nonces: string[] = [];
      for (const peer of [delta('x'), delta('y')]) {
        peer.subscribe(OTHER);
        peer.subscribe(OTHER, 'a');
        const answers = [await peer.taken(), await peer.taken()].map(({ nonce }) => nonce);
        expect(new Set(answers).size).to.equal(2);
        nonces.push(...answers);
      }
    });
  });

  describe('rule 2: a NACK is an answer with error_detail, and nothing is sent again until something changes', () => {
    it('holds of the first response, with an empty message as well', async () => {
      const { view, catalog, delta, sotw } = await discovery(cleanup);
      put(view, a);
      const incremental = delta();
      incremental.subscribe(OTHER, 'a');
      incremental.nack(await incremental.next(), '');
      await incremental.nothing();
      const full = sotw();
      full.subscribe(OTHER, 'a');
      full.nack(await full.next(), '');
      await full.nothing();
      put(view, resource(OTHER, 'a', 'A2'));
      expect(textsOf(await incremental.next())).to.deep.equal(['a=A2']);
      expect(textsOf(await full.next())).to.deep.equal(['A2']);
      const nacks = catalog.events.filter(({ type }) => type === 'nack');
      expect(nacks).to.have.length(2);
      expect(nacks[0]).to.deep.include({ id: 'n', typeUrl: OTHER, versions: new Map([['a', a.version]]), message: '' });
    });

    it('tells the catalog which versions were taken, and what is gone', async () => {
      const { view, catalog, delta } = await discovery(cleanup);
      put(view, a);
      const peer = delta();
      peer.subscribe(OTHER, '*', 'missing');
      await peer.taken();
      await peer.taken();
      const answers = () => catalog.events.filter(({ type }) => type === 'ack');
      await until('both answers', () => answers().length === 2);
      const said = answers().map((event) => ({ ...event, elapsedMs: 0 }));
      expect(said).to.deep.equal([
        { type: 'ack', id: 'n', typeUrl: OTHER, versions: new Map([['a', a.version]]), removed: [], elapsedMs: 0 },
        { type: 'ack', id: 'n', typeUrl: OTHER, versions: new Map(), removed: ['missing'], elapsedMs: 0 },
      ]);
    });
  });

  describe('rule 3: only changes of what is subscribed to are pushed, and names may come to exist', () => {
    it('holds in both variants', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      put(view, a);
      for (const peer of [delta(), sotw()]) {
        peer.subscribe(OTHER, 'a', 'later');
        await peer.taken();
        put(view, resource(OTHER, 'unrelated', String(Math.random())));
        put(view, a);
        await peer.nothing();
        put(view, resource(OTHER, 'later', 'L'));
        expect(textsOf(await peer.taken()).join()).to.match(/L$/u);
        take(view, { typeUrl: OTHER, name: 'later' });
      }
    });
  });

  describe('rule 4: a newly named resource is sent, though it is unchanged or was sent before', () => {
    it('holds in both variants', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      put(view, a, b);
      const incremental = delta();
      incremental.subscribe(OTHER, 'a');
      expect(textsOf(await incremental.taken())).to.deep.equal(['a=A']);
      incremental.subscribe(OTHER, 'b');
      expect(textsOf(await incremental.taken())).to.deep.equal(['b=B']);
      incremental.unsubscribe(OTHER, 'a');
      incremental.subscribe(OTHER, 'a');
      expect(textsOf(await incremental.taken())).to.deep.equal(['a=A']);

      const full = sotw();
      full.subscribe(OTHER, 'a');
      const first = await full.next();
      full.ack(first, { resource_names: ['a', 'b'] });
      const second = await full.next();
      expect(textsOf(second)).to.deep.equal(['B']);
      full.ack(second, { resource_names: ['b'] });
      await full.nothing();
      full.ack(second, { resource_names: ['a', 'b'] });
      expect(textsOf(await full.next())).to.deep.equal(['A']);
    });
  });

  describe('rule 5: `*` is all; so is no name, of a type for which none was ever given', () => {
    it('of the incremental variant', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      peer.subscribe(OTHER, '*');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A', 'b=B']);
      peer.subscribe(OTHER, 'a');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A']);
      peer.unsubscribe(OTHER, '*');
      await peer.nothing();
      put(view, resource(OTHER, 'b', 'B2'));
      await peer.nothing();
      put(view, resource(OTHER, 'a', 'A2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A2']);
      peer.unsubscribe(OTHER, 'a');
      await peer.nothing();
      put(view, resource(OTHER, 'a', 'A3'));
      await peer.nothing();
    });

    it('of the incremental variant without names, until `*` is unsubscribed from', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      peer.subscribe(OTHER);
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A', 'b=B']);
      peer.subscribe(OTHER, 'a');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A']);
      put(view, resource(OTHER, 'b', 'B2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['b=B2']);
      peer.unsubscribe(OTHER, '*');
      peer.subscribe(OTHER);
      await peer.nothing();
      put(view, resource(OTHER, 'b', 'B3'));
      await peer.nothing();
      put(view, resource(OTHER, 'a', 'A2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A2']);
    });

    it('of state of the world', async () => {
      const { view, sotw } = await discovery(cleanup);
      put(view, a, b);
      const peer = sotw();
      peer.subscribe(OTHER);
      const all = await peer.next();
      expect(textsOf(all)).to.deep.equal(['A', 'B']);
      peer.ack(all, { resource_names: ['a'] });
      const one = await peer.next();
      expect(textsOf(one)).to.deep.equal(['A']);
      peer.ack(one, { resource_names: [] });
      put(view, resource(OTHER, 'a', 'A2'), resource(OTHER, 'b', 'B2'));
      await peer.nothing();
      peer.ack(one, { resource_names: ['*'] });
      expect(textsOf(await peer.next())).to.deep.equal(['A2', 'B2']);
    });

    it('and a wildcard without resources is answered', async () => {
      const { delta, sotw } = await discovery(cleanup);
      for (const peer of [delta(), sotw()]) {
        peer.subscribe(LDS);
        expect(textsOf(await peer.taken())).to.deep.equal([]);
      }
    });
  });

  describe('rule 6: no name is twice in a response', () => {
    it('holds however often it is named and changed', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      peer.subscribe(OTHER, '*', 'a', 'a', 'b');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A', 'b=B']);
      peer.subscribe(OTHER, 'a', 'a');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A']);
      for (const text of ['1', '2', '3']) put(view, resource(OTHER, 'a', text));
      expect(textsOf(await peer.taken())).to.deep.equal(['a=3']);
      const full = sotw();
      put(view, resource(CDS, 'a', 'C'));
      full.subscribe(CDS, 'a', 'a', '*');
      expect(textsOf(await full.taken())).to.deep.equal(['C']);
    });
  });
});
