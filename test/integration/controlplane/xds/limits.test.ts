/** The rules of docs/xds.md of limits and of who may ask, by their numbers: incremental where not said otherwise. */
import * as grpc from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Identity } from '../../../../controlplane/core/identity.ts';
import type { RawStream } from '../../../../controlplane/core/rpc.ts';
import { frame } from '../../../../controlplane/rpc/framing.ts';
import { createView } from '../../../../controlplane/xds/view.ts';
import type { LogFields, Logger } from '../../../../common/log.ts';
import type { DeltaDiscoveryRequest } from '../../../../gen/messages.ts';
import { codecOf } from '../../../../rpc/protos.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { discovery, OTHER, put, resource, SERVICE, take, textsOf } from '../../../support/discovery.ts';
import { clientOf, closers, statusOf } from '../../../support/grpc.ts';
import { Peer, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';

const cleanup = closers();
const a = resource(OTHER, 'a', 'A');

describe('rules of the discovery service: limits', () => {
  afterEach(() => cleanup.run());

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

    it('of two proxies with one id and different labels the later one stays until it has gone', async () => {
      const { view, delta } = await discovery(cleanup);
      put(view, a);
      const labelled = (tenant: string) => {
        const peer = delta('edge-1', { node: { metadata: { labels: { tenant } } } as never });
        peer.subscribe(OTHER);
        return peer;
      };
      const earlier = labelled('a');
      await earlier.taken();
      const later = labelled('b');
      await later.taken();
      expect(await earlier.end()).to.include({ code: grpc.status.ABORTED });
      const again = await labelled('a').end();
      expect(again.code).to.equal(grpc.status.ALREADY_EXISTS);
      expect(again.details).to.contain('each proxy needs an --id of its own');
      expect(textsOf(await labelled('b').taken())).to.deep.equal(['a=A']);
      expect(later.status).to.equal(undefined);
    });

    it('of two proxies with one id and different labels the earlier one is taken when the later one has gone', async () => {
      const { view, catalog, delta } = await discovery(cleanup);
      put(view, a);
      const labelled = (tenant: string) => {
        const peer = delta('edge-1', { node: { metadata: { labels: { tenant } } } as never });
        peer.subscribe(OTHER);
        return peer;
      };
      await labelled('a').taken();
      const later = labelled('b');
      await later.taken();
      const events = catalog.events.length;
      later.stream.cancel();
      await until('the end of the node', () =>
        catalog.events.slice(events).some(({ type }) => type === 'disconnected'),
      );
      expect(textsOf(await labelled('a').taken())).to.deep.equal(['a=A']);
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
