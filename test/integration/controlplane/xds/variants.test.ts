/** The rules of docs/xds.md of either variant, heartbeats and reconnects, by their numbers, on raw streams. */
import { expect } from 'chai';
import { discovery, LDS, OTHER, put, resource, take, textsOf } from '../../../support/discovery.ts';
import { closers } from '../../../support/grpc.ts';

const cleanup = closers();
const a = resource(OTHER, 'a', 'A');
const b = resource(OTHER, 'b', 'B');

describe('rules of the discovery service: variants', () => {
  afterEach(() => cleanup.run());

  describe('rule 9: a heartbeat is a resource without a body, for clients that know of it', () => {
    const features = { node: { client_features: ['xds.config.supports-resource-ttl'] } as never };
    const brief = resource(OTHER, 'brief', 'B', { ttlMs: 1500 });

    it('in both variants', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      put(view, brief, a);
      const incremental = delta('d', features);
      incremental.subscribe(OTHER);
      const first = await incremental.taken();
      expect(first.resources.map(({ name, ttl }) => [name, ttl])).to.deep.equal([
        ['brief', 1500],
        ['a', undefined],
      ]);
      const heartbeat = await incremental.taken();
      expect(heartbeat.resources).to.have.length(1);
      expect(heartbeat.resources[0]).to.deep.include({ name: 'brief', version: brief.version, ttl: 1500 });
      expect(heartbeat.resources[0]).not.to.have.property('resource');

      const full = sotw('s', features);
      full.subscribe(OTHER, 'brief');
      const wrapped = await full.taken();
      expect(wrapped.resources[0]?.type_url).to.equal('type.googleapis.com/envoy.service.discovery.v3.Resource');
      const beat = await full.taken();
      expect(beat.resources[0]!.value.length).to.be.lessThan(wrapped.resources[0]!.value.length);
    });

    it('in bounded responses, one after the other', async () => {
      const { view, delta, sotw } = await discovery(cleanup);
      const names = Array.from({ length: 1500 }, (_, index) => `${index}${'x'.repeat(300)}`);
      put(view, ...names.map((name) => resource(OTHER, name, name, { ttlMs: 1500 })));
      for (const peer of [delta('d', features), sotw('s', features)]) {
        peer.subscribe(OTHER);
        /** Responses until so many resources have come. */
        const take = async (): Promise<number> => {
          let [taken, responses] = [0, 0];
          for (; taken < names.length; responses++) {
            const response = await peer.next();
            peer.ack(response as never);
            taken += response.resources.length;
          }
          expect(taken).to.equal(names.length);
          return responses;
        };
        expect(await take(), 'first state').to.be.above(1);
        expect(await take(), 'heartbeats').to.be.above(1);
      }
    });

    it('and for nobody else', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, { ...brief, ttlMs: 300 });
      const peer = delta();
      peer.subscribe(OTHER);
      const { resources } = await peer.taken();
      expect(resources[0]).not.to.have.property('ttl');
      const other = delta('with', features);
      other.subscribe(OTHER);
      for (let count = 0; count < 3; count++) await other.taken();
      await peer.nothing();
    });
  });

  describe('rule 10: state of the world is full for listeners and clusters, and answers no stale nonce', () => {
    it('tells what is gone by its absence', async () => {
      const { view, sotw } = await discovery(cleanup);
      put(view, resource(LDS, 'x', 'X'), resource(LDS, 'y', 'Y'));
      const peer = sotw();
      peer.subscribe(LDS);
      expect(textsOf(await peer.taken())).to.deep.equal(['X', 'Y']);
      put(view, resource(LDS, 'z', 'Z'));
      expect(textsOf(await peer.taken())).to.deep.equal(['X', 'Y', 'Z']);
      take(view, { typeUrl: LDS, name: 'y' });
      expect(textsOf(await peer.taken())).to.deep.equal(['X', 'Z']);
    });

    it('sends of other types what changed', async () => {
      const { view, sotw } = await discovery(cleanup);
      put(view, a, b);
      const peer = sotw();
      peer.subscribe(OTHER);
      await peer.taken();
      put(view, resource(OTHER, 'b', 'B2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['B2']);
      take(view, a);
      await peer.nothing();
    });

    it('does not answer a request that was sent before the last response was seen', async () => {
      const { view, sotw } = await discovery(cleanup);
      put(view, a, b);
      const peer = sotw();
      peer.subscribe(OTHER, 'a');
      const first = await peer.taken();
      put(view, resource(OTHER, 'a', 'A2'));
      const second = await peer.next();
      peer.ack(first, { resource_names: ['b'] });
      await peer.nothing();
      // As if the request before had not been: `a` is still subscribed to, and not sent again.
      peer.ack(second, { resource_names: ['a', 'b'] });
      expect(textsOf(await peer.next())).to.deep.equal(['B']);
    });

    it('has versions that say what is in it, equal on every replica', async () => {
      const versions: string[] = [];
      for (const order of [
        [a, b],
        [b, a],
      ]) {
        const { view, sotw } = await discovery(cleanup);
        for (const each of order) put(view, resource(OTHER, each.name, 'before'), each);
        const peer = sotw();
        peer.subscribe(OTHER);
        versions.push((await peer.taken()).version_info);
      }
      expect(versions[0]).to.equal(versions[1]);
    });
  });

  describe('rule 11: incremental subscriptions', () => {
    it('count even with a stale nonce', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      peer.subscribe(OTHER, 'a');
      await peer.taken();
      peer.send({ type_url: OTHER, response_nonce: 'stale', resource_names_subscribe: ['b'] });
      expect(textsOf(await peer.taken())).to.deep.equal(['b=B']);
    });

    it('are answered each time: with the resource, or with its absence', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a);
      const peer = delta();
      for (let count = 0; count < 2; count++) {
        peer.subscribe(OTHER, 'a', 'missing', '');
        const response = await peer.taken();
        expect(textsOf(response)).to.deep.equal(['-', '-missing', 'a=A']);
        expect(response.nonce).not.to.equal('');
        expect(response.resources[0]?.version).to.equal(a.version);
      }
    });

    it('may end for a name that is not known, and where all are subscribed to bring the resource', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a);
      const peer = delta();
      peer.subscribe(OTHER, '*', 'a');
      await peer.taken();
      peer.unsubscribe(OTHER, 'unknown');
      await peer.nothing();
      peer.unsubscribe(OTHER, 'a');
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A']);
    });
  });

  describe('rule 12: a client that says what it has is sent the difference', () => {
    it('removals included, of all', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b, resource(OTHER, 'c', 'C'), resource(OTHER, 'd', 'D'));
      const have = { a: a.version, b: 'other', c: resource(OTHER, 'c', 'C').version, gone: '1' };
      const peer = delta();
      peer.send({ type_url: OTHER, initial_resource_versions: have });
      expect(textsOf(await peer.taken())).to.deep.equal(['-gone', 'b=B', 'd=D']);
      await peer.nothing();
      put(view, resource(OTHER, 'a', 'A2'));
      expect(textsOf(await peer.taken())).to.deep.equal(['a=A2']);
    });

    it('of names, and nothing where it has everything', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      const have = { a: a.version, gone: '1' };
      peer.send({ type_url: OTHER, resource_names_subscribe: ['a', 'b', 'gone'], initial_resource_versions: have });
      expect(textsOf(await peer.taken())).to.deep.equal(['-gone', 'b=B']);
      const complete = delta('m');
      complete.send({ type_url: OTHER, initial_resource_versions: { a: a.version, b: b.version } });
      await complete.nothing();
    });

    it('and is sent everything where it has little of it', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a, b);
      const peer = delta();
      peer.send({ type_url: OTHER, initial_resource_versions: { gone: '1' } });
      const responses = [await peer.taken(), await peer.taken()];
      expect(responses.map(textsOf)).to.deep.equal([['a=A', 'b=B'], ['-gone']]);
    });
  });
});
