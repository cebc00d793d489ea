import { expect } from 'chai';
import { type EndpointSlice, SERVICE_NAME_LABEL } from '../../../../controlplane/kubernetes/api/core-kinds.ts';
import { endpointsName } from '../../../../controlplane/kubernetes/api/names.ts';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { BY_SERVICE, serviceOf } from '../../../../controlplane/kubernetes/endpoints-feed.ts';
import type { Cache, DesiredStatus, StatusWriter } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { Indexer } from '../../../../controlplane/kubernetes/runtime/indexer.ts';
import { KubernetesSource } from '../../../../controlplane/kubernetes/source.ts';
import type { ObjectContent } from '../../../../controlplane/model/object.ts';
import type { SourceHost } from '../../../../controlplane/model/source.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { until } from '../../../support/until.ts';

let version = 0;
const route = (generation: number, status: object = {}): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', status },
  metadata: { name: 'web', namespace: 'shop', uid: 'a', generation, resourceVersion: `${++version}` },
});

const NAMES = ['a', 'b', 'c'];
const cluster = (name: string): ObjectContent => ({
  key: { kind: 'Cluster', name },
  labels: {},
  spec: { discovery: { service: endpointsName('shop', name, 80, 'TCP') } },
});
const slice = (service: string): EndpointSlice => ({
  ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
  metadata: {
    ...{ name: service, namespace: 'shop', labels: { [SERVICE_NAME_LABEL]: service } },
    resourceVersion: `${++version}`,
    generation: version,
  },
});

describe('Kubernetes as a source', () => {
  let reader: Indexer;
  let source: KubernetesSource;
  let translations: number;
  let told: DesiredStatus[][];
  /** What is put waits for these, one each. */
  let held: (() => void)[] | undefined;
  let puts: (readonly string[])[];

  beforeEach(async () => {
    [translations, told, puts, held] = [0, [], [], undefined];
    reader = new Indexer({
      gatherMs: 0,
      indexes: { EndpointSlice: { [BY_SERVICE]: (slice) => [serviceOf(slice) ?? ''] } },
    });
    reader.open('HTTPRoute').put(route(1));
    const host = {
      put: (change: ReadonlyMap<string, unknown>) => {
        puts.push([...change.keys()]);
        return new Promise<void>((resolve) => (held ? held.push(resolve) : resolve()));
      },
      statusOf: () => undefined,
      onStatus: () => () => undefined,
      leads: true,
      onLead: () => undefined,
    } as unknown as SourceHost;
    const writer = { set: (statuses: DesiredStatus[]) => told.push(statuses), refresh: () => undefined };
    source = new KubernetesSource(host, {
      cache: { reader, synced: Promise.resolve() } as unknown as Cache,
      writer: writer as unknown as StatusWriter,
      translate: () => {
        translations++;
        const ref = { kind: 'HTTPRoute', namespace: 'shop', name: 'web' };
        const objects = NAMES.map((name) => ({ owner: ref, content: cluster(name) }));
        return { objects, statuses: [{ ref, objects: ['Rule/a'], render: () => ({ parents: [] }) }] };
      },
      patience: 50,
      log: silentLogger,
    });
    await source.start();
    // The second is of what came during the first.
    await until('two translations, and what they tell', () => translations === 2 && told.length > 0);
  });

  afterEach(async () => {
    await source.close();
    reader.close();
  });

  it('looks at a status that somebody wrote, and translates nothing for it', async () => {
    const before = told.length;
    reader.open('HTTPRoute').put(route(1, { parents: [{ controllerName: 'another' }] }));
    await until('the statuses to be told again', () => told.length > before);
    expect(translations).to.equal(2);
  });

  it('tells by itself that proxies have not come back in time', async () => {
    await until('statuses that are no more provisional', () => told.at(-1)?.[0]?.isProvisional === undefined);
    expect(told[0]?.[0]?.isProvisional).to.equal(true);
  });

  it('puts the endpoints that change while others are put together, and each service once', async () => {
    const table = reader.open('EndpointSlice');
    const changed = async (service: string): Promise<void> => {
      const heard = new Promise<void>((resolve) => {
        const end = reader.onChange(() => {
          end();
          resolve();
        });
      });
      table.put(slice(service));
      await heard;
    };
    held = [];
    const before = puts.length;
    await changed('a');
    for (let times = 0; times < 20; times++) for (const service of ['b', 'c']) await changed(service);
    expect(puts.slice(before)).to.deep.equal([['kubernetes:endpoints/shop/a']]);
    held.shift()!();
    await until('the next', () => puts.length > before + 1);
    expect([...puts.at(-1)!].sort()).to.deep.equal(['kubernetes:endpoints/shop/b', 'kubernetes:endpoints/shop/c']);
    for (const release of held.splice(0)) release();
    held = undefined;
    await changed('a');
    await until('what comes after', () => puts.length > before + 2);
    expect(puts).to.have.length(before + 3);
  });

  it('translates what somebody asks for', async () => {
    reader.open('HTTPRoute').put(route(2));
    await until('a translation', () => translations === 3);
  });
});
