/** Pods of a real API server have a proxy beside them where their namespace, or they themselves, ask for it. */
import { expect } from 'chai';
import { serveWebhook, type Webhook } from '../../../../../controlplane/kubernetes/webhook/server.ts';
import { silentLogger } from '../../../../support/doubles.ts';
import { freePort } from '../../../../support/free-port.ts';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';
import { selfSigned } from '../../../../support/self-signed.ts';
import { pod, type Pod, SETTINGS } from '../../../../unit/controlplane/kubernetes/webhook/pods.ts';

describe('sidecars on a real API server', function () {
  this.timeout(60_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  const certificate = selfSigned('webhook');
  let port: number;
  let webhook: Webhook;
  let namespace: string;

  /** On the port that the API server knows. */
  async function serve(port: number): Promise<void> {
    webhook = await serveWebhook({
      host: '127.0.0.1',
      port,
      credentials: { current: () => certificate, watch: () => () => undefined },
      settings: () => SETTINGS,
      log: silentLogger,
    });
  }

  before(async () => {
    port = await freePort();
    await kube().apply(configuration(`127.0.0.1:${port}`, certificate.cert));
    namespace = await kube().namespace({ 'l7mp.io/inject': 'enabled' });
  });
  beforeEach(() => serve(port));
  // The API server keeps its connection.
  afterEach(() => webhook.close());
  after(() => kube().kubectl(['delete', 'mutatingwebhookconfiguration', NAME]));

  /** Creates a pod, and gives it as the API server has it then. */
  async function create(object: Pod, place = namespace): Promise<Pod> {
    const args = ['create', '-f', '-', '--namespace', place, '--output', 'json'];
    return JSON.parse(await kube().kubectl(args, object)) as Pod;
  }

  const named = (name: string, metadata: object = {}, spec: object = {}): Pod => pod({ ...metadata, name }, spec);
  const sidecars = ({ spec }: Pod): unknown[] => (spec.initContainers ?? []).map(({ name }) => name);

  it('are put into pods of a namespace that asks for them, as the API server takes them', async () => {
    const made = await create(named('plain', {}, { initContainers: [{ name: 'prepare', image: 'p:1' }] }));
    expect(sidecars(made)).to.deep.equal(['l7mp', 'prepare']);
    expect(made.spec.initContainers?.[0]).to.include({ restartPolicy: 'Always', image: SETTINGS.image });
    expect(made.metadata.annotations).to.include({ 'l7mp.io/injection-status': 'injected' });
    const volumes = made.spec.volumes?.map(({ name }) => name);
    expect(volumes).to.include.members(['l7mp-config', 'l7mp-state', 'l7mp-secrets']);
  });

  it('are put in once, also where several ask and the API server asks again', async () => {
    const made = await create(named('twice', { labels: { 'l7mp.io/inject': 'enabled' } }));
    expect(sidecars(made)).to.deep.equal(['l7mp']);
    const copy = { ...made, metadata: { ...named('copy').metadata, annotations: made.metadata.annotations ?? {} } };
    expect(sidecars(await create(copy))).to.deep.equal(['l7mp']);
  });

  it('are left out where a pod refuses them, or nobody asks', async () => {
    expect(sidecars(await create(named('refuses', { labels: { 'l7mp.io/inject': 'disabled' } })))).to.deep.equal([]);
    const other = await kube().namespace();
    expect(sidecars(await create(named('alone'), other))).to.deep.equal([]);
    const asks = await create(named('asks', { labels: { 'l7mp.io/inject': 'enabled' } }), other);
    expect(sidecars(asks)).to.deep.equal(['l7mp']);
  });

  it("are left out of a node's network, and whoever makes the pod is told", async () => {
    const object = named('host', {}, { hostNetwork: true });
    const args = ['create', '-f', '-', '--namespace', namespace];
    const { code, stderr } = await kube().tryKubectl(args, object);
    expect(code).to.equal(0);
    expect(stderr).to.include("Warning: no l7mp proxy is injected: the pod is in its node's network");
    const made = await kube().read<Pod>('pod', 'host', namespace);
    expect(sidecars(made)).to.deep.equal([]);
    expect(made.metadata.annotations).to.include({
      'l7mp.io/injection-status': "skipped: the pod is in its node's network",
    });
  });

  it('have the variables that a pod asks for, as the API server takes them', async () => {
    const env = [
      { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' },
      { name: 'OTEL_EXPORTER_OTLP_HEADERS', valueFrom: { secretKeyRef: { name: 'collector', key: 'headers' } } },
    ];
    const made = await create(named('exports', { annotations: { 'l7mp.io/proxy-env': JSON.stringify(env) } }));
    expect(made.spec.initContainers?.[0]?.['env']).to.deep.include.members(env);
  });

  it('are refused with what is wrong', async () => {
    const object = named('wrong', { annotations: { 'l7mp.io/capture': 'some', 'l7mp.io/proxy-cpu': 'lots' } });
    const { code, stderr } = await kube().tryKubectl(['create', '-f', '-', '--namespace', namespace], object);
    expect(code).to.not.equal(0);
    expect(stderr).to.include('expected one of all, inbound, outbound, none, found "some"');
    expect(stderr).to.include('expected a quantity, as in 100m, found "lots"');
  });

  it('are missed, and nothing else, while the webhook is away', async () => {
    await webhook.close();
    expect(sidecars(await create(named('meanwhile')))).to.deep.equal([]);
    await serve(port);
    expect(sidecars(await create(named('after')))).to.deep.equal(['l7mp']);
  });
});

const NAME = 'l7mp-test-injector';

/** As the chart has it, but for where the webhook is. */
function configuration(address: string, cert: string): object {
  const LABEL = 'l7mp.io/inject';
  const common = {
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    reinvocationPolicy: 'IfNeeded',
    failurePolicy: 'Ignore',
    timeoutSeconds: 5,
    clientConfig: { url: `https://${address}/inject`, caBundle: Buffer.from(cert).toString('base64') },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' }],
  };
  const expression = (operator: string, ...values: string[]): object => ({
    matchExpressions: [{ key: LABEL, operator, values }],
  });
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: NAME },
    webhooks: [
      {
        ...common,
        name: 'namespace.inject.l7mp.io',
        namespaceSelector: expression('In', 'enabled'),
        objectSelector: expression('NotIn', 'disabled'),
      },
      {
        ...common,
        name: 'pod.inject.l7mp.io',
        namespaceSelector: expression('NotIn', 'disabled'),
        objectSelector: expression('In', 'enabled'),
      },
    ],
  };
}
