/** A proxy is put beside an application once, or not at all, and the pod says why. */
import { expect } from 'chai';
import { formatFault } from '../../../../../common/errors.ts';
import { decodeConfig } from '../../../../../config/decode.ts';
import type { Verdict } from '../../../../../controlplane/kubernetes/webhook/admission.ts';
import { injectSidecar } from '../../../../../controlplane/kubernetes/webhook/inject.ts';
import type { InjectorSettings } from '../../../../../controlplane/kubernetes/webhook/settings.ts';
import { patched, pod, type Pod, request, SETTINGS } from './pods.ts';

const inject = (object: Pod, settings = SETTINGS): Verdict => injectSidecar(request(object), settings);

/** The pod as it becomes. */
function injected(object: Pod, settings = SETTINGS): Pod {
  const verdict = inject(object, settings);
  if (verdict.faults) throw new Error(verdict.faults.map(formatFault).join('\n'));
  return patched(object, verdict.patch);
}

interface Container extends Record<string, unknown> {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: unknown;
  readonly securityContext: { readonly runAsUser: number; readonly capabilities: { readonly add?: readonly string[] } };
}

const sidecarOf = ({ spec }: Pod): Container => spec.initContainers?.[0] as Container;
const faultsOf = (object: Pod): string[] => (inject(object).faults ?? []).map(formatFault);

describe('the injection of a sidecar', () => {
  it('starts it before all others, and has it end after them', () => {
    const after = injected(pod({}, { initContainers: [{ name: 'prepare' }], volumes: [{ name: 'data' }] }));
    expect(after.spec.initContainers?.map(({ name }) => name)).to.deep.equal(['l7mp', 'prepare']);
    expect(after.spec.volumes?.map(({ name }) => name)).to.deep.equal([
      'data',
      'l7mp-config',
      'l7mp-state',
      'l7mp-secrets',
    ]);
    const sidecar = sidecarOf(after);
    expect(sidecar).to.include({ image: 'l7mp/proxy:1', restartPolicy: 'Always' });
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) expect(sidecar).to.have.property(probe);
    expect(sidecar.args.join(' ')).to.include('--controlplane l7mp-controlplane.l7mp-system:1235');
    expect(sidecar.args.join(' ')).to.include('--drain-timeout 10000');
    expect(after.metadata.labels).to.deep.equal({ 'l7mp.io/proxy': 'sidecar', 'l7mp.io/captured': 'all' });
    expect(after.metadata.annotations).to.include({ 'l7mp.io/injection-status': 'injected' });
  });

  it('keeps what the pod has: labels, annotations with slashes, volumes', () => {
    const before = pod({ labels: { app: 'a' }, annotations: { 'example.org/a~b': 'c' } }, { volumes: [{ name: 'v' }] });
    const after = injected(before);
    expect(after.metadata.labels).to.include({ app: 'a' });
    expect(after.metadata.annotations).to.include({ 'example.org/a~b': 'c' });
    expect(after.spec.containers).to.deep.equal(before.spec.containers);
  });

  it('has Prometheus scrape the proxy, unless the pod says what to scrape', () => {
    const port = String(SETTINGS.pagesPort);
    const scraped = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': port };
    expect(injected(pod()).metadata.annotations).to.include(scraped);
    const own = { 'prometheus.io/scrape': 'false' };
    const after = injected(pod({ annotations: own })).metadata.annotations ?? {};
    expect(after).to.include(own).and.to.not.have.property('prometheus.io/port');
  });

  it('changes nothing when it is asked again, after others have changed the pod', () => {
    const once = injected(pod());
    const changed = { ...once, spec: { ...once.spec, containers: [...once.spec.containers, { name: 'more' }] } };
    expect(inject(changed)).to.deep.equal({ patch: [] });
  });

  it('leaves pods alone that refuse it, that have one of their own, and that are there already', () => {
    for (const value of ['disabled', 'false']) {
      expect(inject(pod({ labels: { 'l7mp.io/inject': value } }))).to.deep.equal({ patch: [] });
    }
    expect(inject(pod({}, { containers: [{ name: 'l7mp' }] }))).to.deep.equal({ patch: [] });
    expect(injectSidecar(request(pod(), 'UPDATE'), SETTINGS)).to.deep.equal({ patch: [] });
  });

  it('says of a pod that can have none why that is', () => {
    for (const [spec, reason] of [
      [{ hostNetwork: true }, "skipped: the pod is in its node's network"],
      [{ os: { name: 'windows' } }, 'skipped: the pod runs on windows'],
    ] as const) {
      const before = pod({}, spec);
      const after = injected(before);
      expect(after.metadata.annotations).to.deep.equal({ 'l7mp.io/injection-status': reason });
      expect(after.spec).to.deep.equal(before.spec);
      expect(inject(after)).to.deep.equal({ patch: [] });
    }
  });

  it('gives the proxy a configuration that it takes, with the pages of the proxy left out of what is captured', () => {
    const annotations = {
      'l7mp.io/capture-outbound-exclude-ports': '53/udp, 8000-8999',
      'l7mp.io/capture-outbound-exclude-cidrs': '10.0.0.0/8,fd00::/8',
      'l7mp.io/capture-inbound-ports': '80',
    };
    const config = injected(pod({ annotations })).metadata.annotations?.['l7mp.io/proxy-config'] ?? '';
    const { value, faults } = decodeConfig(JSON.parse(config) as unknown);
    expect(faults.map(formatFault)).to.deep.equal([]);
    expect(value?.admin.capture?.outbound).to.deep.include({
      exclude_ports: ['53/udp', '8000-8999'],
      exclude_cidrs: ['10.0.0.0/8', 'fd00::/8'],
    });
    expect(value?.admin.capture?.inbound).to.deep.include({ ports: ['80'], exclude_ports: ['15020/tcp'] });
    expect([...(value?.listeners.keys() ?? [])]).to.have.length(4);
  });

  it('lets the proxy have privileges only where it captures', () => {
    const capturing = sidecarOf(injected(pod())).securityContext;
    expect(capturing).to.include({ runAsUser: 0 });
    expect(capturing.capabilities.add).to.deep.equal(['BPF', 'NET_ADMIN']);
    const after = injected(pod({ annotations: { 'l7mp.io/capture': 'none' } }));
    const { securityContext } = sidecarOf(after);
    expect(securityContext.runAsUser).to.be.above(0);
    expect(securityContext.capabilities.add).to.equal(undefined);
    expect(after.metadata.annotations?.['l7mp.io/proxy-config']).to.equal('{"admin":{}}');
    const inbound = injected(pod({ annotations: { 'l7mp.io/capture': 'inbound' } }));
    expect(inbound.metadata.annotations?.['l7mp.io/proxy-config']).to.not.include('captured-outbound');
  });

  it('takes resources, level and drain from annotations, and drains within the grace period', () => {
    const annotations = {
      'l7mp.io/proxy-cpu': '200m',
      'l7mp.io/proxy-memory-limit': '1Gi',
      'l7mp.io/proxy-log-level': 'debug',
      'l7mp.io/proxy-drain-seconds': '600',
    };
    const sidecar = sidecarOf(injected(pod({ annotations }, { terminationGracePeriodSeconds: 120 })));
    expect(sidecar.resources).to.deep.equal({
      requests: { cpu: '200m', memory: '64Mi' },
      limits: { memory: '1Gi' },
    });
    expect(sidecar.args.join(' ')).to.include('--log-level debug').and.include('--drain-timeout 118000');
    const short = sidecarOf(injected(pod({}, { terminationGracePeriodSeconds: 0 })));
    expect(short.args.join(' ')).to.include('--drain-timeout 0');
  });

  it('has the proxy say whose its telemetry is, with variables of the installation and of annotations', () => {
    const settings: InjectorSettings = {
      ...SETTINGS,
      env: [
        { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' },
        { name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.1' },
      ],
    };
    const annotations = {
      'l7mp.io/proxy-env': `
        - { name: OTEL_TRACES_SAMPLER_ARG, value: '1' }
        - { name: OTEL_EXPORTER_OTLP_HEADERS, valueFrom: { secretKeyRef: { name: a, key: b } } }
        - { name: OTEL_RESOURCE_ATTRIBUTES, value: team=blue }`,
    };
    const { env } = sidecarOf(injected(pod({ annotations, labels: { app: 'shop' } }), settings));
    expect(env.slice(3)).to.deep.equal([
      { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' },
      { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1' },
      { name: 'OTEL_EXPORTER_OTLP_HEADERS', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } },
      {
        name: 'OTEL_RESOURCE_ATTRIBUTES',
        value:
          'service.name=shop,k8s.container.name=l7mp,service.namespace=$(POD_NAMESPACE),' +
          'k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME),team=blue',
      },
    ]);
  });

  for (const [name, metadata, service] of [
    ['its label', { labels: { 'app.kubernetes.io/name': 'a', app: 'b' } }, 'a'],
    [
      'its Deployment',
      { labels: { 'pod-template-hash': '7d9' }, ownerReferences: [{ name: 'shop-7d9', controller: true }] },
      'shop',
    ],
    ['its StatefulSet', { ownerReferences: [{ name: 'db', controller: true }] }, 'db'],
    ['nothing', {}, undefined],
  ] as const) {
    it(`calls the service of a pod after ${name}`, () => {
      const text = sidecarOf(injected(pod(metadata))).env.at(-1)?.value ?? '';
      expect(/service\.name=([^,]*)/u.exec(text)?.[1]).to.equal(service);
    });
  }

  for (const [value, says] of [
    ['- {', 'expected YAML, found '],
    ['OTEL_A=b', "expected a list of variables, as a container's env, found OTEL_A=b"],
    ['[{ name: NODE_OPTIONS, value: a }]', '[0].name: expected a name as ^OTEL_, found NODE_OPTIONS'],
    ['[{ name: OTEL_A, value: 1 }]', '[0].value: expected text, in quotes, found 1'],
    ['[{ name: OTEL_A }, { name: OTEL_A }]', '[1].name: expected each name once, found OTEL_A'],
    ['[{ name: OTEL_A, valueFrom: { secretKeyRef: { name: a } } }]', '[0].valueFrom: expected secretKeyRef or'],
    [
      "[{ name: OTEL_EXPORTER_OTLP_ENDPOINT, value: 'http://a' }, { name: OTEL_TRACES_SAMPLER_ARG, value: '2' }]",
      '[OTEL_TRACES_SAMPLER_ARG]: expected a number from 0 to 1, found 2',
    ],
  ] as const) {
    it(`refuses variables ${value}`, () => {
      const [fault = '', ...more] = faultsOf(pod({ annotations: { 'l7mp.io/proxy-env': value } }));
      expect(fault).to.include('metadata.annotations[l7mp.io/proxy-env]').and.include(says);
      expect(more).to.deep.equal([]);
    });
  }

  it('refuses annotations that say nothing sensible, and names that are taken, all at once', () => {
    const annotations = {
      'l7mp.io/capture': 'some',
      'l7mp.io/capture-inbound-ports': '80,x',
      'l7mp.io/capture-inbuond-ports': '80',
      'l7mp.io/capture-outbound-exclude-cidrs': '10.0.0.0/40',
      'l7mp.io/proxy-cpu': 'lots',
      'l7mp.io/proxy-drain-seconds': '-1',
    };
    const spec = {
      volumes: [{ name: 'l7mp-state' }],
      containers: [{ name: 'app', ports: [{ containerPort: 15_020 }] }],
    };
    expect(faultsOf(pod({ annotations }, spec))).to.deep.equal([
      'metadata.annotations[l7mp.io/capture]: expected one of all, inbound, outbound, none, found "some"',
      'metadata.annotations[l7mp.io/capture-inbound-ports]: expected ports, as in 80,8000-8999,53/udp, found "80,x"',
      'metadata.annotations[l7mp.io/capture-outbound-exclude-cidrs]: expected networks, as in 10.0.0.0/8,fd00::/8, found "10.0.0.0/40"',
      'metadata.annotations[l7mp.io/proxy-cpu]: expected a quantity, as in 100m, found "lots"',
      'metadata.annotations[l7mp.io/proxy-drain-seconds]: expected seconds, from 0 to 86400, found "-1"',
      'metadata.annotations: expected l7mp.io/capture-inbound-ports, found l7mp.io/capture-inbuond-ports',
      'spec.volumes[0].name: expected a name that the injected proxy does not have, found l7mp-state',
      'spec.containers[0].ports[0].containerPort: expected a port that the injected proxy does not have, found 15020',
    ]);
  });

  it('has volumes of the pod where annotations say so', () => {
    const annotations = { 'l7mp.io/proxy-volumes': 'sockets=/run/daemon, data=/srv/data' };
    const volumes = [{ name: 'sockets' }, { name: 'data' }];
    const mounts = (sidecarOf(injected(pod({ annotations }, { volumes })))['volumeMounts'] as object[]).slice(3);
    expect(mounts).to.deep.equal([
      { name: 'sockets', mountPath: '/run/daemon' },
      { name: 'data', mountPath: '/srv/data' },
    ]);
    expect(sidecarOf(injected(pod({}, { volumes })))['volumeMounts']).to.have.length(3);
  });

  for (const [value, says] of [
    ['sockets', 'expected volumes of the pod with paths of their own, as in sockets=/run/daemon, found "sockets"'],
    ['sockets=run', 'found "sockets=run"'],
    ['sockets=/a/../etc', 'found "sockets=/a/../etc"'],
    ['sockets=/a,data=/a', 'found "sockets=/a,data=/a"'],
    ['other=/a', 'expected one of sockets, data, found other'],
    ['sockets=/etc', 'expected a path apart from /etc/l7mp, /var/lib/l7mp, /var/run/secrets/l7mp, found /etc'],
    ['sockets=/var/lib/l7mp/a', 'found /var/lib/l7mp/a'],
  ] as const) {
    it(`refuses volumes ${value}`, () => {
      const spec = { volumes: [{ name: 'sockets' }, { name: 'data' }] };
      const [fault = '', ...more] = faultsOf(pod({ annotations: { 'l7mp.io/proxy-volumes': value } }, spec));
      expect(fault)
        .to.match(/^metadata\.annotations\[l7mp\.io\/proxy-volumes\]: /u)
        .and.include(says);
      expect(more).to.deep.equal([]);
    });
  }

  it('takes well under the time that an API server waits: some ms with the slowest machine', () => {
    const rounds = 1000;
    const started = performance.now();
    for (let round = 0; round < rounds; round++) inject(pod());
    expect((performance.now() - started) / rounds).to.be.below(5);
  });
});
