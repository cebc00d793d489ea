import { expect } from 'chai';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { Cache, type CacheOptions, type KindState } from '../../../../../controlplane/kubernetes/runtime/cache.ts';
import type { KubeClient } from '../../../../../controlplane/kubernetes/runtime/client.ts';
import type { KubeError } from '../../../../../controlplane/kubernetes/runtime/errors.ts';
import type { KindName } from '../../../../../controlplane/kubernetes/runtime/indexer.ts';
import { openClient } from '../../../../../controlplane/kubernetes/runtime/client.ts';
import { namespaced, type ResourceType } from '../../../../../controlplane/kubernetes/api/addressing.ts';
import { DEFINITION, SERVICE } from '../../../../../controlplane/kubernetes/api/core-types.ts';
import { CutProxy } from '../../../../support/cut-proxy.ts';
import { silentLogger } from '../../../../support/doubles.ts';
import { definition } from '../../../../support/kubernetes/definition.ts';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';
import { until } from '../../../../support/until.ts';

/** In a group of this test. */
const OWN = { ...namespaced('cache.example', 'v1', 'VirtualService', 'virtualservices'), custom: true };
const KINDS = new Map<KindName, { type: ResourceType }>([
  ['Service', { type: SERVICE }],
  ['VirtualService', { type: OWN }],
]);

function service(name: string, labels: Record<string, string> = {}): KubeObject {
  const metadata = { name, namespace: 'default', labels };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } };
}

describe('kubernetes: what is followed of an API server', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasControllers: false });
  let client: KubeClient;
  let proxy: CutProxy;
  let proxied: KubeClient;
  let proxiedConfig: string;
  let cache: Cache | undefined;
  const closers: (() => Promise<void> | void)[] = [];

  before(async () => {
    client = await kube().client();
    closers.push(() => client.close());
    proxy = await CutProxy.start(kube().apiServer.port);
    closers.push(() => proxy.stop());
    proxiedConfig = kube().kubeconfigThrough(proxy.port);
  });

  beforeEach(async () => {
    proxied = await openClient({ file: proxiedConfig });
  });

  afterEach(async () => {
    await cache?.close();
    cache = undefined;
    proxied.close(); // also the connections that it keeps
    for (const { metadata } of (await client.list(SERVICE, { namespace: 'default' })).items) {
      if (metadata.name !== 'kubernetes') await client.delete(SERVICE, { namespace: 'default', name: metadata.name });
    }
  });

  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  const open = async (options: Partial<CacheOptions> = {}): Promise<Cache> => {
    const timing = { firstRetryMs: 50, lastRetryMs: 500, ...options.timing };
    cache = new Cache({ client: proxied, kinds: KINDS, log: silentLogger, ...options, timing });
    await cache.synced;
    return cache;
  };
  const names = (): string[] =>
    Array.from(cache!.reader.list('Service'), ({ metadata }) => metadata.name)
      .filter((name) => name !== 'kubernetes')
      .sort();
  const holds = (...expected: string[]): Promise<boolean> =>
    until(`services ${expected.join()}`, () => names().join() === expected.join());
  const stateOf = (kind: KindName): KindState => Array.from(cache!.states()).find((state) => state.kind === kind)!;

  it('has what is there by a streaming list, and what changes, without what nobody reads', async () => {
    await client.apply(SERVICE, service('a'));
    await open();
    expect(names()).to.deep.equal(['a']);
    expect(stateOf('Service')).to.include({ state: 'watching', lists: 1, watches: 1, errors: 0 });
    await client.apply(SERVICE, service('b'));
    await client.mergePatch(SERVICE, { namespace: 'default', name: 'a' }, { metadata: { labels: { x: 'y' } } });
    await holds('a', 'b');
    await until('the label', () => cache!.reader.get('Service', 'default', 'a')?.metadata.labels?.['x'] === 'y');
    await client.delete(SERVICE, { namespace: 'default', name: 'a' });
    await holds('b');
    expect(cache!.reader.get('Service', 'default', 'b')?.metadata).not.to.have.property('managedFields');
    expect(cache!.reader.get('Service', 'default', 'b')).to.include({ kind: 'Service', apiVersion: 'v1' });
  });

  it('goes on after its watches are cut, without another list', async () => {
    await client.apply(SERVICE, service('a'));
    await open();
    for (const name of ['b', 'c', 'd']) {
      proxy.cut();
      await client.apply(SERVICE, service(name));
      await until(name, () => names().includes(name));
    }
    await holds('a', 'b', 'c', 'd');
    expect(stateOf('Service').lists).to.equal(1);
    expect(stateOf('Service').watches).to.be.above(1);
  });

  it('finds out that its connection is half-open', async () => {
    await open({ timing: { silenceMs: 1000 } });
    proxy.stall();
    await client.apply(SERVICE, service('a'));
    await holds('a');
    expect(stateOf('Service').lists).to.equal(1);
  });

  it('is right after the API server was killed and came back with other objects', async () => {
    await client.apply(SERVICE, service('a'));
    await client.apply(SERVICE, service('b'));
    await open();
    await kube().apiServer.kill();
    await until('a fault', () => stateOf('Service').state === 'failing');
    expect(names()).to.deep.equal(['a', 'b']); // what was there is better than nothing
    await kube().apiServer.start();
    await client.delete(SERVICE, { namespace: 'default', name: 'a' });
    await client.apply(SERVICE, service('c'));
    await holds('b', 'c');
    await until('to be well', () => stateOf('Service').state === 'watching');
  });

  it('lists again after a compaction took what it missed', async () => {
    await client.apply(SERVICE, service('a'));
    await client.apply(SERVICE, service('b'));
    await open();
    await proxy.stop();
    await client.delete(SERVICE, { namespace: 'default', name: 'a' });
    await client.apply(SERVICE, service('c'));
    await kube().apiServer.compact();
    // With nothing in its memory, the server has but what etcd keeps.
    await kube().apiServer.kill();
    await kube().apiServer.start();
    proxy = await CutProxy.start(kube().apiServer.port, proxy.port);
    await holds('b', 'c');
    expect(stateOf('Service').lists).to.equal(2);
  });

  it('has a kind that is installed later, and drops it when it goes', async () => {
    await open();
    expect(cache!.reader.has('VirtualService')).to.equal(false);
    const asked = proxied.counters.requests;
    await client.create(DEFINITION, definition(OWN));
    await until('the kind', () => cache!.reader.has('VirtualService'));
    await until('to be watched', () => stateOf('VirtualService').state === 'watching');
    const own = {
      apiVersion: 'cache.example/v1',
      kind: 'VirtualService',
      metadata: { name: 'v', namespace: 'default' },
    };
    await client.create(OWN, own);
    await until('the object', () => cache!.reader.get('VirtualService', 'default', 'v'));
    // Some looks whether it is served by now; no polling.
    expect(proxied.counters.requests - asked).to.be.within(2, 12);
    await client.delete(DEFINITION, { namespace: '', name: 'virtualservices.cache.example' });
    await until('the kind to go', () => !cache!.reader.has('VirtualService'));
    expect(cache!.reader.get('VirtualService', 'default', 'v')).to.equal(undefined);
  });

  it('tells of a storm in batches', async () => {
    await open();
    let told = 0;
    const keys = new Set<string>();
    cache!.reader.onChange((changes) => {
      told += 1;
      for (const key of changes.get('Service') ?? []) keys.add(key);
    });
    const many = Array.from({ length: 200 }, (_, number) => `s${number}`);
    await Promise.all(many.map((name) => client.create(SERVICE, service(name))));
    await until('all', () => many.every((name) => keys.has(`default/${name}`)));
    expect(told).to.be.below(150);
  });

  it('says what a user may not, and has it once that may', async () => {
    const user = await kube().client(kube().kubeconfigOfUser());
    cache = new Cache({
      client: user,
      kinds: KINDS,
      log: silentLogger,
      timing: { firstRetryMs: 50, lastRetryMs: 200 },
    });
    await until('a fault', () => stateOf('Service').fault);
    expect(stateOf('Service').fault).to.match(/services is forbidden: User "user" cannot watch resource "services"/u);
    const rbac = 'rbac.authorization.k8s.io';
    const [roles, bindings] = ['clusterroles', 'clusterrolebindings'].map((plural) => {
      const kind = plural === 'clusterroles' ? 'ClusterRole' : 'ClusterRoleBinding';
      return { group: rbac, version: 'v1', kind, plural, namespaced: false };
    }) as [ResourceType, ResourceType];
    const apiVersion = `${rbac}/v1`;
    const rules = [
      { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
      { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: ['list', 'watch'] },
    ];
    const metadata = { name: 'reader' };
    await client.create(roles, { apiVersion, kind: 'ClusterRole', metadata, rules } as KubeObject);
    const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: 'reader' };
    const subjects = [{ apiGroup: rbac, kind: 'User', name: 'user' }];
    await client.create(bindings, {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef,
      subjects,
    } as KubeObject);
    await cache.synced;
    expect(stateOf('Service')).to.include({ state: 'watching', fault: undefined });
    await cache.close();
    cache = undefined;
    user.close();
    for (const type of [roles, bindings]) await client.delete(type, { namespace: '', name: 'reader' });
  });

  it('gives the reasons of the server for what it refuses', async () => {
    const bad = { ...service('bad'), spec: { ports: [{ port: 99_999 }] } };
    const error = await client.create(SERVICE, bad).catch((fault: unknown) => fault as KubeError);
    expect(error).to.include({ code: 422, reason: 'Invalid' });
    expect((error as KubeError).causes[0]).to.deep.include({
      field: 'spec.ports[0].port',
      reason: 'FieldValueInvalid',
    });
  });
});
