import { expect } from 'chai';
import { createLogger } from '../../../../../common/telemetry/log.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import type { CertificatesClient } from '../../../../../controlplane/kubernetes/certificates/client.ts';
import { CertificateManager } from '../../../../../controlplane/kubernetes/certificates/manager.ts';
import { AuthorityPublisher } from '../../../../../controlplane/kubernetes/certificates/publisher.ts';

const failure = (code: number): Error => Object.assign(new Error(`status ${code}`), { code });

/** One object of an API server, with optimistic concurrency. */
class OneObject implements CertificatesClient {
  object: KubeObject | undefined;
  writes = 0;
  applied: KubeObject[] = [];
  down = false;
  #version = 0;

  async get(): Promise<KubeObject> {
    await Promise.resolve(); // all replicas read before one writes
    if (this.down) throw failure(503);
    if (!this.object) throw failure(404);
    return this.object;
  }
  async create(_type: unknown, object: KubeObject): Promise<KubeObject> {
    await Promise.resolve();
    if (this.object) throw failure(409);
    return this.#store(object);
  }
  async replace(_type: unknown, object: KubeObject): Promise<KubeObject> {
    await Promise.resolve();
    if (object.metadata.resourceVersion !== this.object?.metadata.resourceVersion) throw failure(409);
    return this.#store(object);
  }
  apply(_type: unknown, object: KubeObject): Promise<KubeObject> {
    this.applied.push(object);
    return Promise.resolve(object);
  }
  delete(): Promise<void> {
    this.object = undefined;
    return Promise.resolve();
  }
  #store(object: KubeObject): KubeObject {
    this.writes += 1;
    this.object = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    return this.object;
  }
}

describe('the certificate that replicas share', () => {
  const log = createLogger('silent', 'stderr');
  let server: OneObject;
  let now: number;
  let managers: CertificateManager[];

  beforeEach(() => {
    server = new OneObject();
    now = Date.now();
    managers = [];
  });
  afterEach(() => Promise.all(managers.map((manager) => manager.close())));

  async function open(names = ['cp']): Promise<CertificateManager> {
    const options = { client: server, namespace: 'l7mp-system', secret: 'tls', names, log, now: () => now };
    const manager = await CertificateManager.open(options);
    managers.push(manager);
    return manager;
  }

  it('is made once, however many start at once', async () => {
    const replicas = await Promise.all(Array.from({ length: 5 }, () => open()));
    expect(server.writes).to.equal(1);
    for (const { current } of replicas) expect(current).to.deep.equal(replicas[0]!.current);
  });

  it('is renewed once when it is due, and all of them hear of it', async () => {
    const replicas = await Promise.all([open(), open(), open()]);
    const before = replicas[0].current;
    const heard: string[] = [];
    for (const replica of replicas) replica.onChange(({ cert }) => void heard.push(cert));
    await Promise.all(replicas.map((replica) => replica.refresh()));
    expect(heard).to.deep.equal([]);
    now += 61 * 86_400_000;
    await Promise.all(replicas.map((replica) => replica.refresh()));
    expect(server.writes).to.equal(2);
    expect(new Set(heard).size).to.equal(1);
    expect(heard).to.have.length(3).and.not.include(before.cert);
    expect(replicas[0].current.ca).to.equal(before.ca);
  });

  it('is put back as it was where somebody deletes or breaks it', async () => {
    const replica = await open();
    const { current } = replica;
    server.object = undefined;
    await replica.refresh();
    expect(server.object).to.not.equal(undefined);
    server.object = { ...server.object!, data: { 'tls.crt': 'AAAA' } } as never;
    await replica.refresh();
    expect(replica.current).to.deep.equal(current);
    expect((await open()).current).to.deep.equal(current);
  });

  it('stays in use while the API server is away', async () => {
    const replica = await open();
    const { current } = replica;
    server.down = true;
    now += 61 * 86_400_000;
    await replica.refresh();
    expect(replica.current).to.deep.equal(current);
    server.down = false;
    await replica.refresh();
    expect(replica.current.cert).to.not.equal(current.cert);
  });

  describe('its authorities', () => {
    const publisher = (more: object): AuthorityPublisher =>
      new AuthorityPublisher({
        client: server,
        ca: () => 'PEM',
        isNeeded: () => true,
        live: () => undefined,
        leads: () => true,
        log,
        ...more,
      });
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'l7mp-ca', namespace: 'shop' } };

    it('are told to a namespace that needs them, once', async () => {
      await publisher({}).reconcile('shop');
      expect(server.applied).to.have.length(1);
      expect(server.applied[0]).to.have.property('data').that.deep.equals({ 'ca.crt': 'PEM' });
      await publisher({ live: () => ({ ...configMap, data: { 'ca.crt': 'PEM' } }) }).reconcile('shop');
      await publisher({ leads: () => false }).reconcile('shop');
      expect(server.applied).to.have.length(1);
    });

    it('go where nobody needs them, if they are ours', async () => {
      server.object = configMap;
      await publisher({ isNeeded: () => false, live: () => configMap }).reconcile('shop');
      expect(server.object).to.equal(configMap);
      const labels = { 'app.kubernetes.io/managed-by': 'l7mp' };
      const ours = { ...configMap, metadata: { ...configMap.metadata, labels } };
      await publisher({ isNeeded: () => false, live: () => ours }).reconcile('shop');
      expect(server.object).to.equal(undefined);
    });

    it('are told to the webhook, once', async () => {
      const metadata = { name: 'l7mp-injector', resourceVersion: '7' };
      const configuration = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata,
      };
      const webhook = (caBundle?: string) => (): KubeObject =>
        ({ ...configuration, webhooks: [{ name: 'inject.l7mp.io', clientConfig: { caBundle } }] }) as KubeObject;
      await publisher({ webhook: webhook() }).reconcileWebhook();
      expect(server.applied[0]).to.deep.include({
        metadata: { name: 'l7mp-injector' },
        webhooks: [{ name: 'inject.l7mp.io', clientConfig: { caBundle: 'UEVN' } }],
      });
      await publisher({ webhook: webhook('UEVN') }).reconcileWebhook();
      await publisher({ webhook: () => undefined }).reconcileWebhook();
      await publisher({}).reconcileWebhook();
      expect(server.applied).to.have.length(1);
    });
  });
});
