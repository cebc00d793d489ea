import { expect } from 'chai';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { Authorities, BY_INJECTION, injectionOf } from '../../../../controlplane/kubernetes/authorities.ts';
import { type Changes, type KindName, type KubeClient } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { Indexer } from '../../../../controlplane/kubernetes/runtime/indexer.ts';
import { silentLogger } from '../../../support/doubles.ts';

const NAMESPACES = ['shop', 'bank', 'calls'];
/** What the webhook is to be told, and what it was before. */
const [BUNDLE, OLD] = [Buffer.from('PEM').toString('base64'), Buffer.from('OLD').toString('base64')];

function object(kind: string, namespace: string, name: string, more: object = {}): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, ...(namespace !== '' && { namespace }) }, ...more };
}

function webhook(caBundle: string): KubeObject {
  return object('MutatingWebhookConfiguration', '', 'l7mp-injector', {
    webhooks: [{ name: 'inject', clientConfig: { caBundle } }],
  });
}

describe('the authorities of the control plane', () => {
  /** Namespaces that were looked at. */
  let looked: Set<string>;
  let applied: string[];
  let reader: Indexer;
  let authorities: Authorities;

  beforeEach(async () => {
    looked = new Set();
    applied = [];
    reader = new Indexer({ indexes: { Pod: { [BY_INJECTION]: injectionOf } } });
    for (const name of NAMESPACES) reader.open('Namespace').put(object('Namespace', '', name));
    for (const kind of ['Pod', 'ConfigMap'] as const) reader.open(kind);
    reader.open('MutatingWebhookConfiguration').put(webhook(BUNDLE));
    const client = {
      apply: ({ kind }: { readonly kind: string }, { metadata }: KubeObject) => {
        applied.push(`${kind} ${metadata.namespace ?? ''}`);
        return Promise.resolve();
      },
    } as unknown as KubeClient;
    const get = reader.get.bind(reader);
    reader.get = (kind, namespace, name) => {
      if (kind === 'ConfigMap') looked.add(namespace);
      return get(kind, namespace, name);
    };
    authorities = new Authorities({
      ...{ client, reader, ca: () => 'PEM', webhook: 'l7mp-injector', owner: undefined, leads: () => true },
      log: silentLogger,
    });
    authorities.refresh();
    await authorities.idle();
    expect([...looked].sort()).to.deep.equal([...NAMESPACES].sort());
    looked.clear();
  });
  afterEach(async () => {
    await authorities.close();
    reader.close();
  });

  const changed = async (kind: KindName, key: string): Promise<void> => {
    const changes: Changes = new Map([[kind, new Set([key])]]);
    authorities.changed(changes);
    await authorities.idle();
  };

  it('are looked after where a pod has changed, and nowhere else', async () => {
    const labels = { 'l7mp.io/inject': 'enabled' };
    reader.open('Pod').put({ ...object('Pod', 'shop', 'web'), metadata: { name: 'web', namespace: 'shop', labels } });
    await changed('Pod', 'shop/web');
    expect([...looked]).to.deep.equal(['shop']);
    expect(applied).to.deep.equal(['ConfigMap shop']);
  });

  it('are not looked after where another ConfigMap has changed', async () => {
    await changed('ConfigMap', 'shop/leader-election');
    expect([...looked]).to.deep.equal([]);
    await changed('ConfigMap', 'shop/l7mp-ca');
    expect([...looked]).to.deep.equal(['shop']);
  });

  it('are looked after where Gateways come and go, and nowhere else', async () => {
    authorities.set(new Set(['shop', 'bank']));
    await authorities.idle();
    looked.clear();
    authorities.set(new Set(['shop', 'calls']));
    await authorities.idle();
    expect([...looked].sort()).to.deep.equal(['bank', 'calls']);
  });

  it('come back to the webhook where somebody has taken them away', async () => {
    expect(applied).to.deep.equal([]);
    reader.open('MutatingWebhookConfiguration').put(webhook(OLD));
    await changed('MutatingWebhookConfiguration', '/l7mp-injector');
    expect(applied).to.deep.equal(['MutatingWebhookConfiguration ']);
  });

  for (const [title, labels, namespaces] of [
    ['asks for a sidecar', { 'l7mp.io/inject': 'enabled' }, ['shop']],
    ['has one, by whatever label it asked', { 'example.org/me': 'enabled', 'l7mp.io/proxy': 'sidecar' }, ['shop']],
    ['wants none', { 'l7mp.io/inject': 'disabled' }, []],
    ['has no labels', undefined, []],
  ] as const) {
    it(`are${namespaces.length > 0 ? '' : ' not'} needed for a pod that ${title}`, () => {
      expect(injectionOf({ metadata: { namespace: 'shop', ...(labels && { labels }) } })).to.deep.equal(namespaces);
    });
  }
});
