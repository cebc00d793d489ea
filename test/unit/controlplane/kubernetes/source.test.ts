import { expect } from 'chai';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { BY_SERVICE, serviceOf } from '../../../../controlplane/kubernetes/endpoints-feed.ts';
import type { Cache, DesiredStatus, StatusWriter } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { Indexer } from '../../../../controlplane/kubernetes/runtime/indexer.ts';
import { KubernetesSource } from '../../../../controlplane/kubernetes/source.ts';
import type { SourceHost } from '../../../../controlplane/model/source.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { until } from '../../../support/until.ts';

let version = 0;
const route = (generation: number, status: object = {}): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', status },
  metadata: { name: 'web', namespace: 'shop', uid: 'a', generation, resourceVersion: `${++version}` },
});

describe('Kubernetes as a source', () => {
  let reader: Indexer;
  let source: KubernetesSource;
  let translations: number;
  let told: DesiredStatus[][];

  beforeEach(async () => {
    [translations, told] = [0, []];
    reader = new Indexer({
      gatherMs: 0,
      indexes: { EndpointSlice: { [BY_SERVICE]: (slice) => [serviceOf(slice) ?? ''] } },
    });
    reader.open('HTTPRoute').put(route(1));
    const host = {
      put: () => Promise.resolve(),
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
        return { objects: [], statuses: [{ ref, objects: ['Rule/a'], render: () => ({ parents: [] }) }] };
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

  it('translates what somebody asks for', async () => {
    reader.open('HTTPRoute').put(route(2));
    await until('a translation', () => translations === 3);
  });
});
