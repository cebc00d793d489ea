import { expect } from 'chai';
import type { KubeObject, ObjectMeta } from '../../../../controlplane/kubernetes/api/object.ts';
import { Asked } from '../../../../controlplane/kubernetes/asked.ts';
import type { KindName } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { kubeReader } from '../../../support/kube-reader.ts';

const route = (metadata: Partial<ObjectMeta>, status: object = {}): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', status },
  metadata: { name: 'web', namespace: 'shop', uid: 'a', generation: 1, ...metadata },
});

describe('what somebody asks for', () => {
  let objects: KubeObject[];
  let asked: Asked;
  const changed = (changes: Partial<Record<KindName, string[]>>): string[] => {
    const kinds = Object.entries(changes).map(([kind, keys]) => [kind as KindName, new Set(keys)] as const);
    return [...asked.changed(new Map(kinds))];
  };
  /** The objects that are there from now on. */
  const have = (...now: KubeObject[]): unknown => objects.splice(0, objects.length, ...now);

  beforeEach(() => {
    objects = [route({})];
    const reader = {
      get: (...where: Parameters<ReturnType<typeof kubeReader>['get']>) => kubeReader(objects).get(...where),
      list: (kind: KindName) => kubeReader(objects).list(kind),
      has: () => true,
    } as ReturnType<typeof kubeReader>;
    asked = new Asked(reader, ['HTTPRoute']);
  });

  it('is not changed by a status', () => {
    have(route({ resourceVersion: '2' }, { parents: [] }));
    expect(changed({ HTTPRoute: ['shop/web'] })).to.deep.equal([]);
  });

  const others: Readonly<Record<string, Partial<ObjectMeta>>> = {
    'its spec': { generation: 2 },
    labels: { labels: { a: 'b' } },
    annotations: { annotations: { a: 'b' } },
    'its deletion': { deletionTimestamp: '2026-01-01T00:00:00Z' },
    'another of its name': { uid: 'b' },
  };
  for (const [what, metadata] of Object.entries(others)) {
    it(`is changed by ${what}, once`, () => {
      have(route(metadata));
      expect(changed({ HTTPRoute: ['shop/web'] })).to.deep.equal(['HTTPRoute']);
      expect(changed({ HTTPRoute: ['shop/web'] })).to.deep.equal([]);
    });
  }

  it('is changed by what comes and what goes', () => {
    have(route({}), route({ name: 'new' }));
    expect(changed({ HTTPRoute: ['shop/new'] })).to.deep.equal(['HTTPRoute']);
    have();
    expect(changed({ HTTPRoute: ['shop/web', 'shop/new'] })).to.deep.equal(['HTTPRoute']);
    expect(changed({ HTTPRoute: ['shop/web', 'shop/new'] })).to.deep.equal([]);
  });

  it('is all of kinds without a generation, and a kind that comes or goes', () => {
    expect(changed({ Service: ['shop/web'], HTTPRoute: [] })).to.deep.equal(['Service', 'HTTPRoute']);
  });
});
