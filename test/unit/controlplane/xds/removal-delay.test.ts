/** What nothing refers to any more stays for a while after that was answered: rule 7, on streams whose clock the test moves. */
import { expect } from 'chai';
import type { Catalog } from '../../../../controlplane/core/catalog.ts';
import type { RawStream } from '../../../../controlplane/core/rpc.ts';
import { createDiscoveryService } from '../../../../controlplane/xds/service.ts';
import { createView } from '../../../../controlplane/xds/view.ts';
import { codecOf } from '../../../../rpc/protos.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { settled, stopClock } from '../../../support/cluster.ts';
import { CDS, LDS, put, resource, take, textsOf } from '../../../support/discovery.ts';

const DELAY = 1000;
const METHODS = { delta: 'DeltaAggregatedResources', sotw: 'StreamAggregatedResources' } as const;
const MESSAGES = { delta: 'DeltaDiscovery', sotw: 'Discovery' } as const;

interface Response {
  readonly type_url: string;
  readonly nonce: string;
  readonly version_info?: string;
}

describe('removals', () => {
  let clock: ReturnType<typeof stopClock>;
  beforeEach(() => (clock = stopClock()));
  afterEach(() => clock.restore());

  /** A client of clusters and listeners; it answers when it is told to. */
  function start(variant: keyof typeof METHODS, names: readonly string[]) {
    const view = createView();
    const moved = createView();
    const catalog: Catalog = { attach: () => view, detach: () => {}, onMove: () => {}, observe: () => {} };
    const limits = { removalDelayMs: DELAY };
    const service = createDiscoveryService({ catalog, identifier: 'test', log: silentLogger, limits });
    const message = (what: string) => codecOf<object>(`envoy.service.discovery.v3.${MESSAGES[variant]}${what}`);
    const received: Response[] = [];
    const raw = {
      call: { identity: { name: 'test', admin: true, reader: true, nodes: [] }, peer: '', metadata: {} },
      queued: 0,
      write: (parts: readonly Buffer[]) =>
        received.push(message('Response').decode(Buffer.concat(parts)) as Response) > 0,
      end: (_: number, reason: string) => expect.fail(reason),
    } as unknown as RawStream;
    service.raw?.[METHODS[variant]]?.(raw);
    const send = (fields: object): void => raw.onMessage(Buffer.from(message('Request').encode(fields)));
    const named = (type_url: string) => (type_url === CDS ? names : ['*']);
    return {
      view,
      received,
      move: () => catalog.onMove('n', moved),
      moved,
      close: () => raw.onClose(),
      subscribe: async (type_url: string) => {
        const field = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
        send({ node: { id: 'n' }, type_url, [field]: named(type_url) });
        await settled();
      },
      /** Answers what has come, and what comes because of that; gives what it was. */
      take: async () => {
        const taken: string[] = [];
        await settled();
        for (let next = received.shift(); next !== undefined; next = received.shift()) {
          const { type_url, nonce: response_nonce } = next;
          taken.push(`${type_url === CDS ? 'CDS' : 'LDS'} ${textsOf(next).join()}`);
          send({ type_url, response_nonce, ...(variant === 'sotw' && { resource_names: named(type_url) }) });
          await settled();
        }
        return taken;
      },
    };
  }

  const cluster = (name: string) => resource(CDS, name, name.toUpperCase());
  const key = (name: string) => ({ typeUrl: CDS, name });

  for (const [what, variant, names] of [
    ['all, incremental', 'delta', ['*']],
    ['names, incremental', 'delta', ['a', 'b', 'c']],
    ['all, state of the world', 'sotw', ['*']],
    ['names, state of the world', 'sotw', ['a', 'b', 'c']],
  ] as const) {
    describe(`to a client of ${what}`, () => {
      const told = (all: readonly string[], gone: readonly string[]): string[] => {
        if (variant === 'sotw') return [`CDS ${all.map((each) => each.toUpperCase()).join()}`];
        return [`CDS ${gone.map((each) => `-${each}`).join()}`];
      };

      async function subscribed(...clusters: readonly string[]) {
        const client = start(variant, names);
        put(client.view, ...clusters.map(cluster), resource(LDS, 'l', '1'));
        await client.subscribe(CDS);
        await client.subscribe(LDS);
        await client.take();
        return client;
      }

      it('come so long after the answers of what referred to them', async () => {
        const client = await subscribed('a', 'b');
        client.view.apply({ upsert: [resource(LDS, 'l', '2')], remove: [key('a')] });
        await settled();
        await clock.tick(DELAY * 3); // it has not answered yet
        expect(client.received).to.have.length(1);
        expect((await client.take()).join())
          .to.include('LDS')
          .and.to.include('2');
        await clock.tick(DELAY - 1);
        expect(client.received).to.deep.equal([]);
        await clock.tick(1);
        expect(await client.take()).to.deep.equal(told(['b'], ['a']));
        await clock.tick(DELAY * 2);
        expect(client.received).to.deep.equal([]);
        client.close();
      });

      it('leave out what has come back, and wait as long again for what goes meanwhile', async () => {
        const client = await subscribed('a', 'b', 'c');
        take(client.view, key('a'), key('b'));
        await client.take();
        await clock.tick(DELAY - 1);
        put(client.view, cluster('a'));
        take(client.view, key('c'));
        expect(await client.take()).to.deep.equal([variant === 'sotw' ? 'CDS A,B,C' : 'CDS a=A']);
        await clock.tick(1);
        expect(await client.take()).to.deep.equal(told(['a', 'c'], ['b']));
        await clock.tick(DELAY - 1);
        expect(client.received).to.deep.equal([]);
        await clock.tick(1);
        expect(await client.take()).to.deep.equal(told(['a'], ['c']));
        client.close();
      });

      it('are not put off by changes that go on', async () => {
        const client = await subscribed('a', 'b');
        take(client.view, key('a'));
        await client.take();
        const heard: string[] = [];
        for (let change = 0; change < 10; change++) {
          put(client.view, resource(LDS, 'l', `more ${change}`));
          heard.push(...(await client.take()));
          await clock.tick(DELAY / 10);
        }
        heard.push(...(await client.take()));
        expect(heard.filter((each) => each.startsWith('CDS'))).to.deep.equal(told(['b'], ['a']));
        client.close();
      });

      it('wait anew where the client sees another view', async () => {
        const client = await subscribed('a', 'b');
        take(client.view, key('a'));
        await client.take();
        await clock.tick(DELAY - 1);
        put(client.moved, cluster('b'), resource(LDS, 'l', '1'));
        client.move();
        await client.take();
        await clock.tick(1);
        expect(client.received).to.deep.equal([]);
        await clock.tick(DELAY);
        expect(await client.take()).to.deep.equal(told(['b'], ['a']));
        client.close();
      });

      it('end with the stream', async () => {
        const client = await subscribed('a');
        take(client.view, key('a'));
        await client.take();
        client.close();
        await clock.tick(DELAY * 2);
        expect(client.received).to.deep.equal([]);
      });
    });
  }
});
