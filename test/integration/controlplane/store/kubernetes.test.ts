/** The store in Kubernetes, in a real API server: the contract, several replicas, and what may go wrong in between. */
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { parse } from 'yaml';
import type { Store } from '../../../../controlplane/core/store.ts';
import type { KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { openStoreAccess } from '../../../../controlplane/kubernetes/store-access.ts';
import type { KubeClient } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { openKubernetesStore } from '../../../../controlplane/store/kubernetes/store.ts';
import { silentLogger } from '../../../support/doubles.ts';
import { KubeApi, needKubeApi } from '../../../support/kube-api.ts';
import { storeContract } from '../../../support/store-contract.ts';
import { until } from '../../../support/until.ts';

const DEFINITIONS = { group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition', plural: 'customresourcedefinitions', namespaced: false };

describe('store in Kubernetes', function () {
  this.timeout(120_000);
  let api: KubeApi;
  let client: KubeClient;
  let number = 0;
  const opened: Store[] = [];

  before(async function () {
    needKubeApi(this);
    api = await KubeApi.start();
    client = await api.client();
    for (const kind of ['storeheads', 'storerecords']) {
      await client.apply(DEFINITIONS, parse(readFileSync(`k8s/crds/${kind}.yaml`, 'utf8')) as KubeObject);
      await until(kind, () => client.read(`/apis/l7mp.io/v1/${kind}`).then(() => true, () => false));
    }
  });
  after(async () => {
    client.close();
    await api.stop();
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  const open = async (name: string): Promise<Store> => {
    const access = await openStoreAccess({ file: api.kubeconfig }, silentLogger);
    const store = await openKubernetesStore(access, { namespace: 'default', name }, silentLogger);
    opened.push(store);
    return store;
  };
  const newName = (): string => `s${++number}-${randomUUID().slice(0, 8)}`;

  storeContract('store in Kubernetes', 'many', async () => {
    const name = newName();
    const store = await open(name);
    return {
      store,
      replica: () => open(name),
      reopen: async () => {
        await store.close();
        return await open(name);
      },
      close: async () => {
        for (const each of opened.splice(0)) await each.close();
      },
    };
  });
});
