/** The rules of docs/xds.md by their numbers, on raw streams: incremental where it is not said otherwise. */
import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Identity } from '../../../controlplane/core/identity.ts';
import type { RawStream } from '../../../controlplane/core/rpc.ts';
import { frame } from '../../../controlplane/rpc/framing.ts';
import { createView } from '../../../controlplane/xds/view.ts';
import type { LogFields, Logger } from '../../../common/log.ts';
import { silentLogger } from '../../../common/log.ts';
import type { DeltaDiscoveryRequest } from '../../../gen/messages.ts';
import { codecOf } from '../../../rpc/protos.ts';
import {
  CDS,
  discovery,
  EDS,
  LDS,
  OTHER,
  put,
  RDS,
  resource,
  SERVICE,
  take,
  textsOf,
} from '../../support/discovery.ts';
import { clientOf, closers, statusOf, until } from '../../support/grpc.ts';
import { Peer, versionOf } from '../../support/peer.ts';

const cleanup = closers();
const a = resource(OTHER, 'a', 'A');
const b = resource(OTHER, 'b', 'B');

describe('rules of the discovery service', () => {
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
      await until('both answers', () => catalog.events.length === 3);
      expect(catalog.attached).to.have.length(1);
      expect(catalog.attached[0]).to.deep.include({ id: 'edge-1', labels: { zone: 'x' }, variant: 'delta' });
      peer.stream.cancel();
      await until('the node to be detached', () => catalog.detached.length === 1);
      expect(catalog.events.map(({ type }) => type)).to.deep.equal(['connected', 'ack', 'ack', 'disconnected']);
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
      await until('both answers', () => catalog.events.length === 3);
      const said = catalog.events.slice(1).map((event) => ({ ...event, elapsedMs: 0 }));
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
      const responses = [await peer.taken(), await peer.taken()];
      expect(responses.flatMap(textsOf)).to.deep.equal(['b=B', 'd=D', '-gone']);
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

  describe('rule 13: a slow client never grows memory, and a response is never too large', () => {
    it('splits a large state in responses of well under 4 MB, none twice and none left out', async () => {
      const { view, delta } = await discovery(cleanup);
      const many = Array.from({ length: 3000 }, (_, index) => resource(OTHER, `n${index}`, 'x'.repeat(2000)));
      put(view, ...many);
      for (const names of [['*'], many.map(({ name }) => name)]) {
        const peer = delta();
        peer.subscribe(OTHER, ...names);
        const seen: string[] = [];
        while (seen.length < many.length) {
          const { resources } = await peer.taken();
          expect(resources.length).to.be.lessThan(200);
          seen.push(...resources.map(({ name }) => name));
        }
        expect(seen.toSorted()).to.deep.equal(many.map(({ name }) => name).toSorted());
        await peer.nothing();
      }
    });

    it('has a bound of unanswered responses, and sends what came after them as one', async () => {
      const { view, delta } = await discovery(cleanup, { limits: { maxInFlight: 2 } });
      const peer = delta();
      peer.subscribe(OTHER);
      await peer.taken();
      put(view, resource(OTHER, 'a', '1'));
      const first = await peer.next();
      put(view, resource(OTHER, 'a', '2'));
      expect(textsOf(await peer.next())).to.deep.equal(['a=2']);
      for (const text of ['3', '4', '5']) put(view, resource(OTHER, 'a', text), resource(OTHER, text, text));
      await peer.nothing();
      peer.ack(first);
      expect(textsOf(await peer.next())).to.deep.equal(['3=3', '4=4', '5=5', 'a=5']);
    });

    it(`holds back what ${versionOf('curl', '--version')} does not read, and then sends the last of it`, async () => {
      let written = 0;
      let most = 0;
      let drained = 0;
      const intercept = (stream: RawStream): void => {
        const write = stream.write.bind(stream);
        stream.write = (parts) => {
          for (const part of parts) written += part.length;
          const room = write(parts);
          most = Math.max(most, stream.queued);
          if (!room) drained += 1;
          return room;
        };
      };
      const { view, port } = await discovery(cleanup, {}, {}, intercept);
      const request = codecOf<DeltaDiscoveryRequest>('envoy.service.discovery.v3.DeltaDiscoveryRequest');
      const body = frame([request.encode({ type_url: OTHER, node: { id: 'slow' } as never })]);
      const url = `http://127.0.0.1:${port}/${SERVICE}/DeltaAggregatedResources`;
      // Its input doesn't end: the stream stays open.
      const upload = ['-T', '-', '-X', 'POST', '--limit-rate', '1K', '--http2-prior-knowledge', '-o', '/dev/null'];
      const peer = new Peer('curl', ['-sS', ...upload, '-H', 'content-type: application/grpc', url]);
      cleanup.add(() => peer.stop());
      peer.write(Buffer.concat(body));
      await until('the first response', () => written > 0);
      const total = 400;
      for (let count = 1; count <= total; count++) {
        const text = String(count).padEnd(200_000);
        put(view, ...['a', 'b'].map((name) => resource(OTHER, name, text)));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(drained).to.be.greaterThan(0);
      expect(most, 'bytes that wait').to.be.lessThan(1_000_000);
      expect(written, 'bytes of 160 MB that were written').to.be.lessThan(80_000_000);
    });

    it('leaves a stream that was cut off by its removals to a new one', async () => {
      const { view, delta } = await discovery(cleanup, { limits: { maxInFlight: 1 } });
      put(view, a);
      const peer = delta();
      peer.subscribe(OTHER);
      const unanswered = await peer.next();
      for (let round = 0; round < 2; round++) {
        const many = Array.from({ length: 10_000 }, (_, index) => resource(OTHER, `${round}-${index}`, ''));
        put(view, ...many);
        take(view, ...many);
      }
      expect(unanswered.nonce).to.equal('1');
      expect(await peer.end()).to.include({ code: grpc.status.ABORTED });
      const again = delta();
      again.send({ type_url: OTHER, initial_resource_versions: { '0-0': '1', a: a.version } });
      expect(textsOf(await again.taken())).to.deep.equal(['-0-0']);
    });
  });

  describe('rule 14: a node gets only what is its own', () => {
    const identity = (nodes: readonly string[], admin = false): Identity => ({
      name: 'token:x',
      admin,
      reader: true,
      nodes,
    });

    for (const [who, expected] of [
      [identity(['edge-1']), true],
      [identity(['other', 'edge-*']), true],
      [identity([], true), true],
      [identity(['edge-']), false],
      [identity(['edge-11']), false],
      [identity([]), false],
    ] as const) {
      it(`${expected ? 'lets' : 'refuses'} edge-1 by ${who.admin ? 'an administrator' : `[${who.nodes.join()}]`}`, async () => {
        const lines: LogFields[] = [];
        const log: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
        const { view, catalog, delta, sotw } = await discovery(cleanup, { log }, { authenticate: () => who });
        put(view, a);
        for (const peer of [delta('edge-1'), sotw('edge-1')]) {
          peer.subscribe(OTHER, 'a');
          if (expected) expect(textsOf(await peer.taken())).to.have.length(1);
          else expect(await peer.end()).to.include({ code: grpc.status.PERMISSION_DENIED });
        }
        if (expected) return;
        expect(catalog.attached).to.deep.equal([]);
        expect(lines).to.have.length(2);
        expect(lines[0]).to.deep.include({ audit: true, identity: 'token:x', node: 'edge-1' });
      });
    }

    it('ends the streams of a node that comes with other labels: the view is that of the new ones', async () => {
      const { view, catalog, delta } = await discovery(cleanup);
      put(view, a);
      const labelled = (tenant: string) => delta('edge-1', { node: { metadata: { labels: { tenant } } } as never });
      const [first, same, other] = [labelled('a'), labelled('a'), labelled('b')];
      for (const peer of [first, same]) {
        peer.subscribe(OTHER);
        expect(textsOf(await peer.taken())).to.deep.equal(['a=A']);
      }
      other.subscribe(OTHER);
      expect(textsOf(await other.taken())).to.deep.equal(['a=A']);
      const secret = createView();
      put(secret, resource(OTHER, 'secret', 'S'));
      catalog.onMove('edge-1', secret);
      expect(textsOf(await other.taken())).to.include('secret=S');
      for (const peer of [first, same]) {
        expect(await peer.end()).to.include({ code: grpc.status.ABORTED });
        expect(peer.received).to.deep.equal([]);
      }
    });

    const NORTH = { tenant: ['a'], site: ['n', 's'] };
    for (const [title, values, only, claimed, expected] of [
      ['keeps what an identity says nothing of', undefined, false, { tenant: 'b' }, { tenant: 'b' }],
      ['keeps what is allowed', NORTH, false, { tenant: 'a', site: 's', x: 'y' }, { tenant: 'a', site: 's', x: 'y' }],
      ['adds what can be one value only', NORTH, true, { site: 'n' }, { site: 'n', tenant: 'a' }],
      ['takes what is no text for nothing', { tenant: ['a'] }, false, { tenant: 5 }, { tenant: 'a' }],
      ['refuses another value', NORTH, false, { tenant: 'b', site: 's' }, /label tenant to be "a", found "b"/u],
      ['refuses to leave out one of several', NORTH, false, {}, /label site to be "n" or "s", found none/u],
      ['refuses others where there are to be none', NORTH, true, { site: 'n', x: 'y' }, /but tenant, site, found "x"/u],
      ['refuses any where there are to be none', {}, true, { x: 'y' }, /expected no labels, found "x"/u],
      [
        'lets the label be called as what all objects have',
        { ['__proto__']: ['a'] },
        false,
        {},
        { ['__proto__']: 'a' },
      ],
    ] as const) {
      it(`labels: ${title}`, async () => {
        const lines: LogFields[] = [];
        const log: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
        const labels = values && { labels: { values: new Map(Object.entries<readonly string[]>(values)), only } };
        const authenticate = (): Identity => ({ ...identity(['edge-1']), ...labels });
        const { view, catalog, delta, sotw } = await discovery(cleanup, { log }, { authenticate });
        put(view, a);
        const node = { id: 'edge-1', metadata: { labels: claimed } };
        for (const peer of [delta('edge-1', { node: node as never }), sotw('edge-1', { node: node as never })]) {
          peer.subscribe(OTHER, 'a');
          if (!(expected instanceof RegExp)) expect(textsOf(await peer.taken())).to.have.length(1);
          else {
            const { code, details } = await peer.end();
            expect(code).to.equal(grpc.status.PERMISSION_DENIED);
            expect(details)
              .to.match(/^token:x: expected /u)
              .and.match(expected);
          }
        }
        if (expected instanceof RegExp) {
          expect(catalog.attached).to.deep.equal([]);
          expect(lines.map(({ audit, node: id }) => [audit, id])).to.deep.equal([
            [true, 'edge-1'],
            [true, 'edge-1'],
          ]);
        } else {
          const found = catalog.attached.map(({ labels: given }) => Object.entries(given).sort());
          expect(found).to.deep.equal([Object.entries(expected).sort(), Object.entries(expected).sort()]);
        }
      });
    }
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

describe('clients that misbehave', () => {
  afterEach(() => cleanup.run());

  it('are ended where they say nothing', async () => {
    const { delta } = await discovery(cleanup, { limits: { firstRequestMs: 50 } });
    expect(await delta().end()).to.include({ code: grpc.status.DEADLINE_EXCEEDED });
  });

  it('are ended where they subscribe to too much', async () => {
    const { delta } = await discovery(cleanup, { limits: { maxNames: 10, maxTypes: 2 } });
    const greedy = delta();
    greedy.subscribe(OTHER, ...Array.from({ length: 11 }, (_, index) => String(index)));
    expect(await greedy.end()).to.include({ code: grpc.status.RESOURCE_EXHAUSTED });
    const broad = delta();
    for (const type of ['1', '2', '3']) broad.subscribe(type);
    expect(await broad.end()).to.include({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  it('may name 10,000 resources at once', async () => {
    const { view, delta } = await discovery(cleanup);
    put(view, a);
    const peer = delta();
    peer.subscribe(OTHER, ...Array.from({ length: 10_000 }, (_, index) => `n${index}`), 'a');
    expect(textsOf(await peer.taken())).to.have.length(10_001);
  });

  it('and send garbage are ended', async () => {
    const { port } = await discovery(cleanup);
    const { raw } = clientOf(SERVICE, port, cleanup);
    for (const method of ['DeltaAggregatedResources', 'StreamAggregatedResources']) {
      const same = (bytes: Buffer): Buffer => bytes;
      const stream = raw.makeBidiStreamRequest(`/${SERVICE}/${method}`, same, same);
      stream.resume();
      const status = statusOf(stream);
      stream.write(Buffer.from([0x0a, 0xff, 0xff]));
      expect(await status).to.include({ code: grpc.status.INVALID_ARGUMENT });
    }
  });

  it('and end their side are answered with OK', async () => {
    const { delta } = await discovery(cleanup);
    const peer = delta();
    peer.subscribe(OTHER);
    await peer.taken();
    peer.stream.end();
    expect(await peer.end()).to.include({ code: grpc.status.OK });
  });
});
