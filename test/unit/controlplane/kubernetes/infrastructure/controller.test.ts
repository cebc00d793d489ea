import { expect } from 'chai';
import { createLogger } from '../../../../../common/telemetry/log.ts';
import type { GatewayNeeds, GatewayOutcome } from '../../../../../controlplane/kubernetes/api/gateway-needs.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { Infrastructure } from '../../../../../controlplane/kubernetes/infrastructure/controller.ts';
import type { ResourceType } from '../../../../../controlplane/kubernetes/api/addressing.ts';

const KEY = 'shop/web';
const needs = (more: Partial<GatewayNeeds> = {}): GatewayNeeds => ({
  gateway: {
    apiVersion: 'gateway.networking.k8s.io/v1',
    namespace: 'shop',
    name: 'web',
    uid: 'u-1',
    className: 'l7mp',
  },
  ports: [{ port: 80, protocol: 'TCP' }],
  labels: {},
  annotations: {},
  addresses: [],
  parameters: [],
  ...more,
});

type Stored = KubeObject & { readonly metadata: { readonly managedFields?: readonly object[] } };

/** An API server in a few lines, and the controller in front of it. */
class Bench {
  readonly objects = new Map<string, Stored>();
  readonly calls: string[] = [];
  readonly outcomes: GatewayOutcome[] = [];
  wanted: GatewayNeeds | undefined = needs();
  leads = true;
  failure: (Error & { code: number }) | undefined;
  readonly infrastructure: Infrastructure;

  constructor() {
    const keyOf = (type: ResourceType, name: string): string => `${type.kind}/${name}`;
    this.infrastructure = new Infrastructure({
      client: {
        get: (type, { name }) => {
          const found = this.objects.get(keyOf(type, name));
          return found ? Promise.resolve(found) : Promise.reject(Object.assign(new Error('none'), { code: 404 }));
        },
        apply: (type, object) => {
          this.calls.push(`apply ${keyOf(type, object.metadata.name)}`);
          if (this.failure) return Promise.reject(this.failure);
          const uid = `uid-${type.kind}`;
          this.objects.set(keyOf(type, object.metadata.name), { ...object, metadata: { uid, ...object.metadata } });
          return Promise.resolve(object);
        },
        delete: (type, { name }) => {
          this.calls.push(`delete ${keyOf(type, name)}`);
          this.objects.delete(keyOf(type, name));
          return Promise.resolve();
        },
      },
      manager: 'l7mp',
      settings: { controlPlane: 'cp:1235', defaults: { image: 'proxy:1' } },
      needs: () => this.wanted,
      live: () => [...this.objects.values()].filter(({ metadata }) => metadata.labels !== undefined),
      leads: () => this.leads,
      onOutcome: (_key, outcome) => this.outcomes.push(outcome),
      log: createLogger('silent', 'stderr'),
    });
  }

  async reconcile(): Promise<string[]> {
    this.calls.length = 0;
    await this.infrastructure.reconcile(KEY);
    return [...this.calls];
  }

  /** As somebody else would. */
  change(key: string, more: object): void {
    this.objects.set(key, { ...this.objects.get(key)!, ...more });
  }
}

describe('infrastructure of gateways', () => {
  let bench: Bench;
  beforeEach(() => (bench = new Bench()));

  const ALL = ['ServiceAccount', 'ConfigMap', 'Service', 'Deployment'].map((kind) => `apply ${kind}/web-l7mp`);

  it('is made, and then asks for nothing until something changes', async () => {
    expect(await bench.reconcile()).to.deep.equal(ALL);
    expect(bench.outcomes.at(-1)).to.deep.equal({ faults: [] });
    await bench.reconcile(); // what was made is seen for the first time
    expect(await bench.reconcile()).to.deep.equal([]);
    bench.change('Deployment/web-l7mp', { status: { replicas: 2 } });
    expect(await bench.reconcile()).to.deep.equal([]);
    bench.change('Deployment/web-l7mp', { spec: { replicas: 0 } });
    expect(await bench.reconcile()).to.deep.equal(ALL);
    bench.objects.delete('Service/web-l7mp');
    expect(await bench.reconcile()).to.deep.equal(ALL);
  });

  it('touches nothing while another leads', async () => {
    bench.leads = false;
    expect(await bench.reconcile()).to.deep.equal([]);
    expect(bench.outcomes).to.deep.equal([]);
  });

  it('goes where the Gateway is no longer ours', async () => {
    await bench.reconcile();
    bench.wanted = undefined;
    expect(await bench.reconcile()).to.have.members(ALL.map((call) => call.replace('apply', 'delete')));
    expect(bench.objects.size).to.equal(0);
  });

  it('keeps the pods of a Deployment until those of the DaemonSet in its place serve', async () => {
    await bench.reconcile();
    bench.wanted = needs({ parameters: [{ workload: 'DaemonSet' }] });
    expect(await bench.reconcile())
      .to.include('apply DaemonSet/web-l7mp')
      .and.not.include('delete Deployment/web-l7mp');
    const status = { observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 };
    bench.change('DaemonSet/web-l7mp', { status });
    expect(await bench.reconcile()).to.not.include('delete Deployment/web-l7mp');
    bench.change('DaemonSet/web-l7mp', { status: { ...status, numberAvailable: 2 } });
    expect(await bench.reconcile()).to.deep.equal(['delete Deployment/web-l7mp']);
  });

  it('leaves alone what others have made under its names, and says so', async () => {
    bench.objects.set('Service/web-l7mp', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web-l7mp' } });
    const error = await bench.reconcile().catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error);
    const expected = 'none, or one that was made for this Gateway';
    const fault = { path: 'Service shop/web-l7mp', expected, found: "one that is somebody else's" };
    expect(bench.outcomes).to.deep.equal([{ faults: [fault] }]);
    expect(bench.objects.get('Service/web-l7mp')?.spec).to.equal(undefined);
  });

  it('says what the API server refuses, and tries again', async () => {
    bench.failure = Object.assign(new Error('apply Service: spec.ports: too many'), { code: 422 });
    expect(await bench.reconcile().catch((reason: unknown) => reason)).to.equal(bench.failure);
    expect(bench.outcomes.at(-1)?.faults[0]?.found).to.equal('apply Service: spec.ports: too many');
    bench.failure = undefined;
    expect(await bench.reconcile()).to.deep.equal(ALL);
  });

  it('keeps what runs where what is asked for is refused', async () => {
    await bench.reconcile();
    bench.wanted = needs({ addresses: [{ type: 'Hostname', value: 'a.example' }] });
    expect(await bench.reconcile()).to.deep.equal([]);
    expect(bench.outcomes.at(-1)?.faults).to.have.length(1);
    expect(bench.objects.size).to.equal(4);
  });

  it('hands the replicas to an autoscaler as they are', async () => {
    bench.wanted = needs({ parameters: [{ replicas: 7 }] });
    await bench.reconcile();
    const owned = { manager: 'l7mp', operation: 'Apply', fieldsV1: { 'f:spec': { 'f:replicas': {} } } };
    const deployment = bench.objects.get('Deployment/web-l7mp')!;
    const withOwner = (manager: string): object => ({
      metadata: { ...deployment.metadata, managedFields: [{ ...owned, manager }] },
    });
    bench.change('Deployment/web-l7mp', withOwner('l7mp'));
    bench.wanted = needs({ parameters: [{ replicas: 7, autoscaling: { maxReplicas: 9 } }] });
    await bench.reconcile();
    expect(bench.objects.get('Deployment/web-l7mp')?.spec).to.have.property('replicas', 7);
    bench.change('Deployment/web-l7mp', { ...withOwner('kube-controller-manager'), spec: { replicas: 8 } });
    await bench.reconcile();
    expect(bench.objects.get('Deployment/web-l7mp')?.spec).to.not.have.property('replicas');
  });
});
