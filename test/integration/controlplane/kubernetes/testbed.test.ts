/** The testbed itself: what all tests on Kubernetes stand on. */
import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { productVersion } from '../../../../common/version.ts';
import { makeCertificate } from '../../../support/certificates.ts';
import { runCommand } from '../../../support/command.ts';
import { Kube } from '../../../support/kubernetes/kube.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

const ECHO = 'gateway-api/echo-basic:v1';

/** Of the kind Widget, whose size has a default and an upper bound. */
const WIDGETS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.testbed.example' },
  spec: {
    group: 'testbed.example',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer', default: 3 } },
                'x-kubernetes-validations': [{ rule: 'self.size < 10', message: 'size must be below 10' }],
              },
            },
          },
        },
      },
    ],
  },
};

const widget = (namespace: string, spec: object): object => ({
  apiVersion: 'testbed.example/v1',
  kind: 'Widget',
  metadata: { name: 'one', namespace },
  spec,
});

/** A Deployment whose pods are made of such a spec. */
function deployment(namespace: string, replicas: number, spec: object): object {
  const labels = { app: 'echo' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'echo', namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

const pod = (namespace: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'one', namespace },
  spec: { terminationGracePeriodSeconds: 1, ...spec },
});

const url = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}/`;

async function curl(address: string): Promise<{ pod?: string; host?: string }> {
  const { stdout, stderr, code } = await runCommand('curl', ['-sS', '--max-time', '5', '--globoff', url(address)]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as { pod?: string };
}

/** An admission webhook that refuses everything; its arguments are the files of its certificate. */
const REFUSER = `
import http.server, json, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers['content-length'])))
        review['response'] = {'uid': review['request']['uid'], 'allowed': False, 'status': {'message': 'not here'}}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(('', 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`;

describe('The testbed', function () {
  this.timeout(60_000);
  const kube = sharedKube({ hasNode: true });
  let namespace: string;

  beforeEach(async () => {
    namespace = await kube().namespace();
  });
  afterEach(() => kube().kubectl(['delete', 'namespace', namespace, '--wait=false']));

  const logs = (...more: string[]): Promise<string> => kube().kubectl(['logs', 'one', '-n', namespace, ...more]);
  const exec = (...command: string[]): Promise<string> =>
    kube().kubectl(['exec', 'one', '-n', namespace, '--', ...command]);
  const ready = (): Promise<string> =>
    kube().kubectl(['wait', '--for=condition=Ready', 'pod/one', '-n', namespace, '--timeout=30s']);
  /** Runs a pod of one shell command, and waits until it is ready. */
  const run = async (command: string, container: object = {}, spec: object = {}): Promise<void> => {
    const shell = { name: 'shell', image: 'host', command: ['sh', '-c', command], ...container };
    await kube().apply(pod(namespace, { containers: [shell], ...spec }));
    await ready();
  };

  it('has an API server that keeps to the schemas and rules of a CRD', async () => {
    await kube().apply(WIDGETS);
    await kube().kubectl(['wait', '--for=condition=Established', 'crd/widgets.testbed.example']);
    await kube().apply(widget(namespace, {}));
    const found = await kube().read<{ spec: object }>('widget', 'one', namespace);
    expect(found.spec).to.deep.equal({ size: 3 });
    const refused = await kube().tryKubectl(['apply', '-f', '-'], widget(namespace, { size: 11 }));
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.include('size must be below 10');
  });

  it('keeps to RBAC', async () => {
    const kubeconfig = await kube().kubeconfigOf('default', namespace);
    const list = (): Promise<{ code: number; stderr: string }> =>
      kube().tryKubectl(['get', 'configmaps', '-n', namespace], '', kubeconfig);
    expect((await list()).stderr).to.include('Forbidden');
    const role = ['--clusterrole=view', `--serviceaccount=${namespace}:default`, '-n', namespace];
    await kube().kubectl(['create', 'rolebinding', 'view', ...role]);
    await until('the role to count', async () => (await list()).code === 0);
  });

  it('runs the pods of a Deployment behind a Service', async () => {
    const env = [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }];
    const readinessProbe = { httpGet: { path: '/', port: 3000 } };
    const container = { name: 'echo', image: ECHO, env, readinessProbe };
    await kube().apply(deployment(namespace, 2, { terminationGracePeriodSeconds: 1, containers: [container] }), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'echo', namespace },
      spec: {
        type: 'LoadBalancer',
        ipFamilyPolicy: 'RequireDualStack',
        selector: { app: 'echo' },
        ports: [{ port: 80, targetPort: 3000 }],
      },
    });
    await kube().kubectl(['rollout', 'status', 'deployment/echo', '-n', namespace, '--timeout=50s']);
    interface Service {
      readonly spec: { readonly clusterIPs: string[] };
      readonly status: { readonly loadBalancer: { readonly ingress?: { readonly ip: string }[] } };
    }
    const { spec, status } = await kube().read<Service>('service', 'echo', namespace);
    const addresses = [...spec.clusterIPs, ...(status.loadBalancer.ingress ?? []).map(({ ip }) => ip)];
    expect(addresses).to.have.length(4); // of IPv4 and IPv6
    const seen = new Set<string>();
    for (const address of addresses) {
      await until(`both pods at ${address}`, async () => {
        seen.add(`${address} ${(await curl(address)).pod}`);
        return seen.size % 2 === 0;
      });
    }
    const name = `echo.${namespace}.svc.cluster.local`;
    const args = ['exec', 'deployment/echo', '-n', namespace, '--', 'curl', '-sS', `http://${name}`, 'http://echo'];
    expect(await kube().kubectl(args)).to.match(/"host": "echo\.test[^]*"host": "echo"/u);
  });

  it('runs commands in containers, and shows what containers print', async () => {
    await run('echo started; exec sleep infinity');
    expect(await logs()).to.equal('started\n');
    const { code, stdout, stderr } = await kube().tryKubectl(
      ['exec', '-i', 'one', '-n', namespace, '--', 'sh', '-c', 'cat; echo bad >&2; exit 3'],
      'input',
    );
    expect({ code, stdout }).to.deep.equal({ code: 3, stdout: 'input' });
    expect(stderr).to.match(/^bad\n/u);
  });

  it('gives containers the files and variables that their pod asks for', async () => {
    await kube().apply(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'words', namespace }, data: { greeting: 'hello' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pass', namespace }, stringData: { word: 'sesame' } },
    );
    const mounts = ['words', 'pass', 'labels', 'shared'].map((name) => ({ name, mountPath: `/in/${name}` }));
    await run(
      'echo $GREETING $POD $POD_IP; exec sleep infinity',
      {
        env: [
          { name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'words', key: 'greeting' } } },
          { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        ],
        volumeMounts: mounts,
      },
      {
        initContainers: [
          { name: 'first', image: 'host', command: ['sh', '-c', 'echo before >/in/shared/file'], volumeMounts: mounts },
        ],
        volumes: [
          { name: 'words', configMap: { name: 'words' } },
          { name: 'pass', secret: { secretName: 'pass' } },
          { name: 'labels', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
          { name: 'shared', emptyDir: {} },
        ],
      },
    );
    const { status } = await kube().read<{ status: { podIP: string } }>('pod', 'one', namespace);
    expect(await logs()).to.equal(`hello one ${status.podIP}\n`);
    expect(await exec('cat', '/in/words/greeting', '/in/pass/word', '/in/labels/name', '/in/shared/file')).to.equal(
      `hellosesame${namespace}before\n`,
    );
    const token = await exec('cat', '/var/run/secrets/kubernetes.io/serviceaccount/token');
    expect((await kube().get('/api', token)).status).to.equal(200);
  });

  it('holds containers to their user, capabilities and sysctls', async () => {
    const securityContext = {
      runAsUser: 65_532,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    };
    const look =
      'id -u; grep -E "CapBnd|CapEff|NoNewPrivs" /proc/self/status; cat /proc/sys/net/ipv4/ip_unprivileged_port_start';
    const sysctls = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }];
    await run(
      `${look}; touch /file || echo refused; exec sleep infinity`,
      { securityContext },
      { securityContext: { sysctls } },
    );
    // CAP_NET_ADMIN is bit 12 of linux/capability.h.
    expect((await logs()).replace(/[\t ]+/gu, ' ')).to.match(
      /^65532\nCapEff: 0000000000000000\nCapBnd: 0000000000001000\nNoNewPrivs: 1\n80\n(?:.*\n)?refused\n$/u,
    );
  });

  it("runs the project's own images, as their user", async () => {
    const securityContext = { runAsNonRoot: true, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
    const proxy = { name: 'proxy', image: 'l7mp/proxy:latest', args: ['--version'], securityContext };
    await kube().apply(pod(namespace, { restartPolicy: 'Never', containers: [proxy] }));
    const isDone = ['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/one', '-n', namespace, '--timeout=30s'];
    await kube().kubectl(isDone);
    expect(await logs()).to.include(productVersion());
  });

  it('has an API server that asks webhooks in pods, by their Service', async () => {
    const { cert, key } = makeCertificate(kube().directory, namespace, `DNS:hook.${namespace}.svc`);
    const readinessProbe = { tcpSocket: { port: 8443 } };
    const hook = { name: 'hook', image: 'host', command: ['python3', '-c', REFUSER, cert, key], readinessProbe };
    const service = { name: 'hook', namespace, port: 443 };
    await kube().apply(
      { ...pod(namespace, { containers: [hook] }), metadata: { name: 'one', namespace, labels: { app: 'hook' } } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'hook', namespace },
        spec: { selector: { app: 'hook' }, ports: [{ port: 443, targetPort: 8443 }] },
      },
    );
    await ready();
    const configuration = ['validatingwebhookconfiguration', namespace];
    await kube().apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: namespace },
      webhooks: [
        {
          name: 'hook.testbed.example',
          clientConfig: { service, caBundle: readFileSync(cert).toString('base64') },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Ignore', timeoutSeconds: 5 },
        },
      ],
    });
    try {
      await until('the webhook to refuse', async () => {
        const dryRun = ['create', 'secret', 'generic', 'any', '-n', namespace, '--dry-run=server'];
        return (await kube().tryKubectl(dryRun)).stderr.includes('not here');
      });
    } finally {
      await kube().kubectl(['delete', ...configuration]);
    }
  });

  it('starts what is not alive anew, and keeps what it printed', async () => {
    await run('echo run; touch /alive; trap "exit 0" TERM; sleep infinity & wait', {
      livenessProbe: { exec: { command: ['test', '-e', '/alive'] }, periodSeconds: 1, failureThreshold: 1 },
    });
    await exec('rm', '/alive');
    interface Pod {
      readonly status: { readonly containerStatuses: { readonly restartCount: number }[] };
    }
    await until('the restart', async () => {
      const { status } = await kube().read<Pod>('pod', 'one', namespace);
      return status.containerStatuses[0]?.restartCount === 1;
    });
    await ready();
    expect(await logs('--previous')).to.equal('run\n');
  });

  it('has sidecars that start before and end after the others, within the grace period', async () => {
    const noting = (name: string): string[] => [
      'sh',
      '-c',
      `trap "echo ${name} ends >>/notes/all; exit 0" TERM; echo ${name} >>/notes/all; sleep infinity & wait`,
    ];
    const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    try {
      const volumeMounts = [{ name: 'notes', mountPath: '/notes' }];
      const sidecar = {
        name: 'side',
        image: 'host',
        command: noting('side'),
        restartPolicy: 'Always',
        // Without it, it has started as soon as its process is there, which may not have noted anything yet.
        startupProbe: { exec: { command: ['test', '-e', '/notes/all'] }, periodSeconds: 1 },
        volumeMounts,
      };
      await run(
        '',
        { command: noting('main'), volumeMounts },
        {
          terminationGracePeriodSeconds: 20,
          initContainers: [sidecar],
          volumes: [{ name: 'notes', hostPath: { path: directory } }],
        },
      );
      const all = `${directory}/all`;
      await until('both', () => existsSync(all) && readFileSync(all, 'utf8') === 'side\nmain\n');
      await kube().kubectl(['delete', 'pod', 'one', '-n', namespace]);
      expect(readFileSync(`${directory}/all`, 'utf8')).to.equal('side\nmain\nmain ends\nside ends\n');
    } finally {
      execFileSync('rm', ['-r', directory]);
    }
  });

  it('keeps objects and pods when the API server starts anew', async () => {
    await run('exec sleep infinity');
    const { metadata } = await kube().read<{ metadata: { uid: string } }>('pod', 'one', namespace);
    await kube().apiServer.kill();
    await kube().apiServer.start();
    const after = await kube().read<{ metadata: { uid: string } }>('pod', 'one', namespace);
    expect(after.metadata.uid).to.equal(metadata.uid);
    expect(await exec('echo', 'there')).to.equal('there\n');
  });
});

describe('A testbed that was killed', function () {
  this.timeout(60_000);

  /** Whatever carries the testbed's number in its name or arguments. */
  const leftOf = (directory: string): string =>
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(directory))
      .join('\n');
  const devices = (): string => execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' });

  /** Of kubelets whose process is gone. */
  const cgroups = (): string[] => {
    const mounted = /^\S+ (\S+) cgroup2 /mu.exec(readFileSync('/proc/mounts', 'utf8'))?.[1];
    const names = mounted === undefined ? [] : readdirSync(mounted);
    const pids = names.map((name) => /^prockubelet-(\d+)$/u.exec(name)?.[1] ?? '');
    return pids.filter((pid) => pid !== '' && !existsSync(`/proc/${pid}`));
  };

  it('leaves nothing but a directory and cgroups, which the next one removes', async () => {
    const code = `
      import { Kube } from './test/support/kubernetes/kube.ts';
      const kube = await Kube.start({ hasNode: true });
      await kube.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one', namespace: 'default' },
        spec: { containers: [{ name: 'shell', image: 'host', command: ['sleep', 'infinity'] }] } });
      await kube.kubectl(['wait', '--for=condition=Ready', 'pod/one']);
      console.log(JSON.stringify([kube.directory, kube.network.device]));
      await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    const child = spawn(process.execPath, ['--import=tsx/esm', '--input-type=module', '--eval', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, 'line')) as [string];
    const [directory, device] = JSON.parse(line) as [string, string];
    expect(leftOf(directory)).to.include('prockubelet');
    expect(devices()).to.include(device);
    child.kill('SIGKILL');
    await once(child, 'close');
    await until('its processes to be gone', () => leftOf(directory) === '');
    await until('its network to be gone', () => !devices().includes(device));
    expect(existsSync(directory)).to.equal(true);
    const next = await Kube.start({ hasNode: true });
    await next.stop();
    expect(cgroups()).to.deep.equal([]);
    expect(existsSync(directory)).to.equal(false);
    expect(existsSync(next.directory)).to.equal(false);
  });
});
