import { expect } from 'chai';
import type { KubeObject, KubeRef } from '../../../../../controlplane/kubernetes/api/object.ts';
import { Cache } from '../../../../../controlplane/kubernetes/runtime/cache.ts';
import type { KubeClient } from '../../../../../controlplane/kubernetes/runtime/client.ts';
import { isConflict } from '../../../../../controlplane/kubernetes/runtime/errors.ts';
import type { KindName } from '../../../../../controlplane/kubernetes/runtime/indexer.ts';
import { namespaced, type ResourceType } from '../../../../../controlplane/kubernetes/api/addressing.ts';
import { DEFINITION } from '../../../../../controlplane/kubernetes/api/core-types.ts';
import type { Status } from '../../../../../controlplane/kubernetes/runtime/status-merge.ts';
import { StatusWriter } from '../../../../../controlplane/kubernetes/runtime/status-writer.ts';
import { silentLogger } from '../../../../support/doubles.ts';
import { definition } from '../../../../support/kubernetes/definition.ts';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';
import { until } from '../../../../support/until.ts';

/** In a group of this test. */
const TYPE = { ...namespaced('status.example', 'v1', 'VirtualService', 'virtualservices'), custom: true };
const US = 'l7mp.io/gateway-controller';
const THEM = 'other.io/controller';

const ref = (name: string): KubeRef => ({ kind: 'VirtualService', namespace: 'default', name });
const conditions = (status: string, observedGeneration = 1): Status[] => [
  { type: 'Accepted', status, reason: 'Accepted', message: '', observedGeneration },
];
const parents = (name: string, status: string): Status => ({
  parents: [{ parentRef: { name }, controllerName: US, conditions: conditions(status) }],
});

describe('kubernetes: statuses', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasControllers: false });
  let client: KubeClient;
  let cache: Cache;
  let writer: StatusWriter;
  let leads = true;
  const closers: (() => Promise<void> | void)[] = [];

  before(async () => {
    client = await kube().client();
    closers.push(() => client.close());
    await client.create(DEFINITION, definition(TYPE));
    closers.push(() => client.delete(DEFINITION, { namespace: '', name: 'virtualservices.status.example' }));
    const kinds = new Map<KindName, { type: ResourceType }>([['VirtualService', { type: TYPE }]]);
    cache = new Cache({ client, kinds, log: silentLogger });
    closers.push(() => cache.close());
    await until('the kind', () => Array.from(cache.states()).some(({ state }) => state === 'watching'));
  });

  const open = (owned: readonly KindName[] = []): void => {
    writer = new StatusWriter({
      client,
      reader: cache.reader,
      types: new Map([['VirtualService', TYPE]]),
      owned: new Set(owned),
      controllerName: US,
      leads: () => leads,
      log: silentLogger,
    });
  };
  beforeEach(() => {
    leads = true;
    open();
  });

  afterEach(async () => {
    await writer.close();
    for (const { metadata } of (await client.list(TYPE, { namespace: 'default' })).items) {
      await client.delete(TYPE, { namespace: 'default', name: metadata.name });
    }
    await until('nothing', () => cache.reader.size('VirtualService') === 0);
  });

  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  const make = async (name: string): Promise<void> => {
    const metadata = { name, namespace: 'default' };
    await client.create(TYPE, { apiVersion: 'status.example/v1', kind: 'VirtualService', metadata, spec: {} });
    await until(name, () => cache.reader.get('VirtualService', 'default', name));
  };
  const read = async (name: string): Promise<KubeObject<unknown, Status>> =>
    client.get(TYPE, { namespace: 'default', name });

  it('writes once what is asked for often, and keeps the time of what did not change', async () => {
    await make('a');
    writer.set([{ ref: ref('a'), status: { conditions: conditions('True') } }]);
    await writer.idle();
    const { status, metadata } = await read('a');
    const [first] = status!['conditions'] as Status[];
    expect(first).to.include({ status: 'True', observedGeneration: 1 });
    expect(Date.now() - Date.parse(first!['lastTransitionTime'] as string)).to.be.within(-1000, 60_000);
    const asked = client.counters.requests;
    for (let time = 0; time < 10; time++) writer.set([{ ref: ref('a'), status: { conditions: conditions('True') } }]);
    await writer.idle();
    expect((await read('a')).metadata.resourceVersion).to.equal(metadata.resourceVersion);
    expect(client.counters.requests - asked).to.equal(1); // ours, just now
    const reworded = conditions('True').map((each) => ({ ...each, message: 'other' }));
    writer.set([{ ref: ref('a'), status: { conditions: reworded } }]);
    await writer.idle();
    const [second] = (await read('a')).status!['conditions'] as Status[];
    expect(second).to.deep.equal({ ...first, message: 'other' });
  });

  it('writes what is asked for while something else is being written', async () => {
    await make('a');
    for (const last of ['True', 'False']) {
      writer.set([{ ref: ref('a'), status: { conditions: conditions(last === 'True' ? 'False' : 'True') } }]);
      writer.set([{ ref: ref('a'), status: { conditions: conditions(last) } }]);
      await writer.idle();
      const [condition] = (await read('a')).status!['conditions'] as Status[];
      expect(condition).to.include({ status: last });
    }
  });

  it('loses nothing of a second controller that writes to the same lists all the time', async () => {
    await make('a');
    let round = 0;
    const ending = new AbortController();
    const other = (async () => {
      while (!ending.signal.aborted) {
        round += 1;
        const { metadata, status = {} } = await read('a');
        const list = ((status['parents'] ?? []) as Status[]).filter((each) => each['controllerName'] !== THEM);
        const theirs = { parentRef: { name: `round-${round}` }, controllerName: THEM, conditions: [] };
        const body = {
          metadata: { resourceVersion: metadata.resourceVersion },
          status: { parents: [theirs, ...list] },
        };
        await client.mergePatch(TYPE, ref('a'), body, { subresource: 'status' }).catch((error: unknown) => {
          if (!isConflict(error)) throw error;
        });
      }
    })();
    for (let time = 0; time < 20; time++) {
      writer.set([{ ref: ref('a'), status: parents('gw', time % 2 === 0 ? 'True' : 'False') }]);
      await writer.idle();
      const list = (await read('a')).status!['parents'] as Status[];
      const [ours, ...more] = list.filter((each) => each['controllerName'] === US);
      expect(more).to.deep.equal([]);
      expect((ours!['conditions'] as Status[])[0]!['status']).to.equal(time % 2 === 0 ? 'True' : 'False');
    }
    ending.abort();
    await other;
    expect(writer.counters.written).to.be.least(20);
    expect(((await read('a')).status!['parents'] as Status[]).map((each) => each['controllerName'])).to.have.members([
      US,
      THEM,
    ]);
  });

  it('clears what is ours no more, also of an earlier run, and nothing else', async () => {
    await make('a');
    await make('b');
    const theirs = { parentRef: { name: 'x' }, controllerName: THEM, conditions: [] };
    await client.mergePatch(TYPE, ref('b'), { status: { parents: [theirs] } }, { subresource: 'status' });
    await until('theirs', () => cache.reader.get('VirtualService', 'default', 'b')?.status !== undefined);
    writer.set([
      { ref: ref('a'), status: { conditions: conditions('True') } },
      { ref: ref('b'), status: parents('gw', 'True') },
    ]);
    await writer.idle();
    writer.set([{ ref: ref('b'), status: parents('gw', 'True') }]);
    await writer.idle();
    expect((await read('a')).status).to.deep.equal({});
    await writer.close();
    await until('ours', () => JSON.stringify(cache.reader.get('VirtualService', 'default', 'b')).includes(US));
    open();
    writer.set([]);
    await writer.idle();
    expect((await read('b')).status).to.deep.equal({ parents: [theirs] });
  });

  it('writes nothing unless it leads, and all of it once it does', async () => {
    await make('a');
    leads = false;
    writer.set([{ ref: ref('a'), status: { conditions: conditions('True') } }]);
    await writer.idle();
    expect((await read('a')).status).to.equal(undefined);
    leads = true;
    writer.refresh();
    await writer.idle();
    expect((await read('a')).status).to.have.property('conditions');
  });

  it('does not tell of an older generation than is told', async () => {
    await make('a');
    await client.mergePatch(TYPE, ref('a'), { spec: { x: 1 } });
    const newer = conditions('True', 2).map((each) => ({ ...each, lastTransitionTime: '2026-01-01T00:00:00Z' }));
    await client.mergePatch(TYPE, ref('a'), { status: { conditions: newer } }, { subresource: 'status' });
    await until('it', () => cache.reader.get('VirtualService', 'default', 'a')?.status);
    writer.set([{ ref: ref('a'), status: { conditions: conditions('False', 1) } }]);
    await writer.idle();
    expect((await read('a')).status!['conditions']).to.deep.equal(newer);
  });

  it('is not held up by an object that is deleted meanwhile', async () => {
    await make('a');
    await make('b');
    await client.delete(TYPE, ref('a'));
    writer.set([
      { ref: ref('a'), status: { conditions: conditions('True') } },
      { ref: ref('b'), status: { conditions: conditions('True') } },
    ]);
    await writer.idle();
    expect((await read('b')).status).to.have.property('conditions');
    expect(writer.counters.errors).to.equal(0);
  });
});
