/** What GatewayParameters say of the environment of proxies, as a real API server takes it, and people change it by hand. */
import { expect } from 'chai';
import { KubeError } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { CLASS, KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

interface Workload {
  readonly template: { readonly spec: { readonly containers: readonly { readonly env: readonly EnvVar[] }[] } };
}

const ENDPOINT = { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' };

describe('the environment of proxies of Gateways', function () {
  this.timeout(60_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  let rig: KubeControlPlane;

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
    await parameters([ENDPOINT]);
    await rig.apply('Gateway', 'shop', {
      spec: {
        gatewayClassName: CLASS,
        infrastructure: { parametersRef: { group: 'l7mp.io', kind: 'GatewayParameters', name: 'shop' } },
        listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }],
      },
    });
  });
  after(async () => {
    await rig.stop();
  });

  const parameters = (env: readonly EnvVar[], more: object = {}): Promise<unknown> =>
    rig.apply('GatewayParameters', 'shop', { spec: { env, ...more } });
  const variables = async (): Promise<ReadonlyMap<string, EnvVar>> => {
    const spec = (await rig.read('Deployment', 'shop-l7mp'))?.spec as Workload | undefined;
    return new Map((spec?.template.spec.containers[0]?.env ?? []).map((each) => [each.name, each]));
  };
  /** Resolves when the pods' template says so: with another one other pods come. */
  const has = (name: string, wanted: Partial<EnvVar> | undefined): Promise<unknown> =>
    until(`${name} to be ${JSON.stringify(wanted)}`, async () => {
      const found = (await variables()).get(name);
      return JSON.stringify(found) === JSON.stringify(wanted && { name, ...wanted });
    });

  it('is in the template of the pods, and changes with its parameters', async () => {
    await has(ENDPOINT.name, { value: 'http://collector:4318' });
    expect((await variables()).get('OTEL_RESOURCE_ATTRIBUTES')?.value).to.match(
      /^service\.name=shop,.*k8s\.pod\.name=/u,
    );
    // From a text to a Secret's key: both at once would be refused.
    const valueFrom = { secretKeyRef: { name: 'collector', key: 'endpoint' } };
    await parameters([{ name: ENDPOINT.name, valueFrom }]);
    await has(ENDPOINT.name, { valueFrom });
    await parameters([]);
    await has(ENDPOINT.name, undefined);
  });

  it('keeps variables that were set by hand, but for those of its own', async () => {
    await parameters([ENDPOINT]);
    await has(ENDPOINT.name, { value: ENDPOINT.value });
    const set = ['set', 'env', 'deployment/shop-l7mp', '--namespace', rig.namespace];
    await kube().kubectl([...set, 'OTEL_BSP_SCHEDULE_DELAY=1000', `${ENDPOINT.name}=http://elsewhere:4318`]);
    await has(ENDPOINT.name, { value: ENDPOINT.value });
    await parameters([ENDPOINT, { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1' }]);
    await has('OTEL_TRACES_SAMPLER_ARG', { value: '1' });
    await has('OTEL_BSP_SCHEDULE_DELAY', { value: '1000' });
  });

  it('is left as it was where proxies would not start, and the Gateway says why', async () => {
    await parameters([ENDPOINT]);
    await has('OTEL_TRACES_SAMPLER_ARG', undefined);
    await parameters([ENDPOINT, { name: 'OTEL_TRACES_SAMPLER_ARG', value: '7' }], {
      volumes: [{ name: 'config', secret: { secretName: 'a' } }],
    });
    await rig.untilTold('Gateway', 'shop', 'Programmed', {
      status: 'False',
      reason: 'NoResources',
      message:
        'env[OTEL_TRACES_SAMPLER_ARG]: expected a number from 0 to 1, found 7; ' +
        'volumes: expected a name apart from config, state, secrets, found config',
    });
    expect([...(await variables()).keys()])
      .to.include(ENDPOINT.name)
      .and.to.not.include('OTEL_TRACES_SAMPLER_ARG');
    await parameters([ENDPOINT]);
    await rig.untilTold('Gateway', 'shop', 'Programmed', { reason: 'Pending' });
  });

  it('can be one that pods do not start with, and the Gateway says what the node says', async () => {
    const selector = ['--namespace', rig.namespace, '--selector', 'gateway.networking.k8s.io/gateway-name=shop'];
    const name = await until('a pod', async () => {
      const names = await kube().kubectl(['get', 'pods', ...selector, '--output', 'name']);
      return names.split('\n')[0];
    });
    const waiting = { reason: 'CreateContainerConfigError', message: 'secret "collector" not found' };
    const tell = (containerStatuses: readonly object[]): Promise<string> =>
      kube().kubectl([
        ...['patch', name, '--namespace', rig.namespace, '--subresource=status', '--type=merge'],
        ...['-p', JSON.stringify({ status: { containerStatuses } })],
      ]);
    const status = { name: 'proxy', image: 'a', imageID: '', ready: false, restartCount: 0 };
    await tell([{ ...status, state: { waiting } }]);
    const message = '0 of 0 proxies; pods: CreateContainerConfigError: secret "collector" not found';
    await rig.untilTold('Gateway', 'shop', 'Programmed', { status: 'False', reason: 'Pending', message });
    await tell([{ ...status, state: { running: {} } }]);
    await rig.untilTold('Gateway', 'shop', 'Programmed', { message: '0 of 0 proxies' });
  });

  for (const [what, spec, says] of [
    [
      'text and a source',
      { env: [{ ...ENDPOINT, valueFrom: { fieldRef: { fieldPath: 'a' } } }] },
      'value or valueFrom',
    ],
    ['no source', { env: [{ name: 'A', valueFrom: {} }] }, 'expected one of secretKeyRef'],
    ['a name twice', { env: [ENDPOINT, ENDPOINT] }, 'duplicate entries for key [name="OTEL_EXPORTER_OTLP_ENDPOINT"]'],
    ['no name', { env: [{ name: 'a b' }] }, 'spec.env[0].name'],
    ['a volume of nothing', { volumes: [{ name: 'a' }] }, 'expected secret or configMap'],
    ['a volume of the node', { volumes: [{ name: 'a', hostPath: { path: '/' } }] }, 'hostPath'],
    ['a path that is none', { volumeMounts: [{ name: 'a', mountPath: 'etc' }] }, 'mountPath'],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      const error = await rig.apply('GatewayParameters', 'wrong', { spec }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(KubeError);
      expect((error as KubeError).message).to.include(says);
    });
  }
});
