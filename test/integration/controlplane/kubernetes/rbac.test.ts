/** The rights that the chart gives to the control plane: they are enough for all that it does, and none is left over. */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KindName } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { freePort } from '../../../support/free-port.ts';
import { CLASS, KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { Kube } from '../../../support/kubernetes/kube.ts';
import { until } from '../../../support/until.ts';

const MANIFEST = 'k8s/manifests/l7mp.yaml';
const NAMESPACE = 'l7mp-system';
const ACCOUNT = 'l7mp-controlplane';

/** What this test does not bring about, and when it is asked for. */
const RARE: Readonly<Record<string, string>> = {
  'secrets update': 'the certificate is made anew before it ends',
  'leases *': 'of the store of Kubernetes',
  'storeheads.l7mp.io *': 'of the store of Kubernetes',
  'storerecords.l7mp.io *': 'of the store of Kubernetes',
  'configobjects.l7mp.io *': 'of the store of Kubernetes',
};

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
}

/** As in `gateways.gateway.networking.k8s.io/status`. */
function nameOf(group: string, resource: string): string {
  const [plural = '', part] = resource.split('/');
  return `${group === '' ? plural : `${plural}.${group}`}${part === undefined ? '' : `/${part}`}`;
}

/** All that roles of the manifest allow, as in `pods watch`. */
function allowed(): string[] {
  const roles = parseAllDocuments(readFileSync(MANIFEST, 'utf8'))
    .map((document) => document.toJS() as Role | null)
    .filter((each): each is Role => each?.metadata.name === ACCOUNT && /^(?:Cluster)?Role$/u.test(each.kind));
  return roles.flatMap(({ rules = [] }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${nameOf(group, resource)} ${verb}`)),
      ),
    ),
  );
}

/** Reading is one right in three words: which of them is used depends on what the watch has missed. */
const READING = new Set(['get', 'list', 'watch']);
const isReading = (right: string): boolean => READING.has(right.slice(right.lastIndexOf(' ') + 1));
const inOneWord = (right: string): string => (isReading(right) ? right.replace(/\S+$/u, 'read') : right);

describe('kubernetes: the rights of the control plane', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-audit-'));
  const audit = join(directory, 'audit.log');
  let kube: Kube;
  let rig: KubeControlPlane;

  before(async () => {
    const policy = join(directory, 'policy.yaml');
    const users = [`system:serviceaccount:${NAMESPACE}:${ACCOUNT}`];
    writeFileSync(
      policy,
      JSON.stringify({
        ...{ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'] },
        rules: [{ level: 'Metadata', users }, { level: 'None' }],
      }),
    );
    const apiServerArgs = [`--audit-policy-file=${policy}`, `--audit-log-path=${audit}`, '--audit-log-mode=blocking'];
    kube = await Kube.start({ gatewayApi: 'experimental', apiServerArgs });
    await kube.kubectl(['create', 'namespace', NAMESPACE]);
    await kube.kubectl(['apply', '--server-side', '-f', MANIFEST]);
    const crds = await kube.kubectl(['get', 'crd', '-o', 'name']);
    await kube.kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...crds.trim().split('\n')]);
    const kubeconfig = await kube.kubeconfigOf(ACCOUNT, NAMESPACE);
    const args = ['--webhook-listen', '127.0.0.1:0'];
    rig = await KubeControlPlane.start(kube, { kubeconfig, installedIn: NAMESPACE, args });
  });
  after(async () => {
    await (rig as KubeControlPlane | undefined)?.stop();
    await (kube as Kube | undefined)?.stop();
    rmSync(directory, { recursive: true });
  });

  /** What it asked for, and whether it was allowed, as in `pods watch 200`. */
  const asked = (): string[] =>
    readFileSync(audit, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const {
          verb,
          objectRef = {},
          responseStatus,
        } = JSON.parse(line) as {
          verb: string;
          objectRef?: { apiGroup?: string; resource?: string; subresource?: string };
          responseStatus?: { code: number };
        };
        const { apiGroup = '', resource = '', subresource } = objectRef;
        const name = nameOf(apiGroup, subresource === undefined ? resource : `${resource}/${subresource}`);
        return `${name} ${verb} ${responseStatus?.code ?? 0}`;
      });

  /** A patch that makes an object needs both rights. */
  const rightsUsed = (): string[] =>
    asked().flatMap((each) => {
      const right = inOneWord(each.replace(/ \d+$/u, ''));
      return each.endsWith(' patch 201') ? [right, right.replace(/patch$/u, 'create')] : [right];
    });

  const uses = (right: string): Promise<unknown> =>
    until(`the control plane to use the right "${right}"`, () => rightsUsed().includes(inOneWord(right)));

  it('are enough for all kinds, and each of them is used', async () => {
    const port = 80;
    const parentRefs = [{ name: 'web' }];
    const backendRefs = [{ name: 'shop', port }];
    const parametersRef = { group: 'l7mp.io', kind: 'GatewayParameters', name: 'one' };
    const listeners = [{ name: 'http', port, protocol: 'HTTP' }];
    const rules = [{ action: { route: { destination: 'origin' } } }];
    const session = (ttl: string): object => ({
      ttl,
      listeners: [{ name: 'a', spec: { TCP: { port: 9998 } }, rules }],
    });
    const objects: readonly [KindName, object][] = [
      ['GatewayParameters', { autoscaling: { maxReplicas: 2 }, disruptionBudget: { minAvailable: 1 } }],
      ['Gateway', { gatewayClassName: CLASS, infrastructure: { parametersRef }, listeners }],
      ['ListenerSet', { parentRef: { name: 'web' }, listeners: [{ name: 'more', port: 81, protocol: 'HTTP' }] }],
      ['HTTPRoute', { parentRefs, rules: [{ backendRefs }] }],
      ['GRPCRoute', { parentRefs, hostnames: ['grpc.example'], rules: [{ backendRefs }] }],
      ['TLSRoute', { parentRefs, hostnames: ['tls.example'], rules: [{ backendRefs }] }],
      ['TCPRoute', { parentRefs, rules: [{ backendRefs }] }],
      ['UDPRoute', { parentRefs, rules: [{ backendRefs }] }],
      [
        'BackendTLSPolicy',
        {
          targetRefs: [{ group: '', kind: 'Service', name: 'shop' }],
          validation: { hostname: 'shop.example', wellKnownCACertificates: 'System' },
        },
      ],
      ['TrafficPolicy', { targetRefs: [{ kind: 'Service', name: 'shop' }], loadbalancer: { policy: 'RoundRobin' } }],
      ['Target', { cluster: { spec: { TCP: { port: 1 } }, endpoints: [{ spec: { address: '192.0.2.1' } }] } }],
      ['Route', { destination: 'origin' }],
      ['RuleList', { rules }],
      ['VirtualService', { listener: { spec: { TCP: { port: 9999 } }, rules } }],
      ['Session', session('1h')],
      [
        'OffloadPolicy',
        { targetRefs: [{ kind: 'VirtualService', name: 'VirtualService' }], offload: { policy: 'never' } },
      ],
      [
        'TelemetryPolicy',
        {
          targetRefs: [{ kind: 'VirtualService', name: 'VirtualService' }],
          telemetry: { access_log: { sessions: 'failed' } },
        },
      ],
    ];
    await rig.service('shop', await freePort());
    const names: Partial<Record<KindName, string>> = { Gateway: 'web', GatewayParameters: 'one', Target: 'origin' };
    for (const [kind, spec] of objects) await rig.apply(kind, names[kind] ?? kind.toLowerCase(), { spec });
    const token = join(directory, 'token');
    writeFileSync(token, await kube.tokenOf('default', 'default', 'l7mp'));
    await rig.controlPlane.l7mp('status', '--token-file', token);
    for (const kind of ['deployments.apps', 'horizontalpodautoscalers.autoscaling', 'poddisruptionbudgets.policy'])
      await uses(`${kind} patch`);
    await uses('sessions.l7mp.io/status patch');
    await rig.apply('Session', 'session', { spec: session('1s') });
    await uses('sessions.l7mp.io delete');
    await rig.apply('GatewayParameters', 'one', { spec: { workload: 'DaemonSet' } });
    await uses('daemonsets.apps patch');
    await uses('deployments.apps delete');
    // Not deleted: then it is a race with the API server's own collector of garbage.
    await rig.apply('Gateway', 'web', { spec: { gatewayClassName: 'another', listeners } });
    await uses('daemonsets.apps delete');

    const isRare = (right: string): boolean => {
      const [name = ''] = right.split(' ');
      const short = name.startsWith('leases.') ? 'leases' : name;
      return right in RARE || `${short} *` in RARE;
    };
    const unused = (): string[] => {
      const used = new Set(rightsUsed());
      return [
        ...new Set(
          allowed()
            .filter((right) => !isRare(right))
            .map(inOneWord),
        ),
      ].filter((right) => !used.has(right));
    };
    let left: string[] = [];
    await until('all rights to be used', () => (left = unused()).length === 0, 10_000).catch(() => undefined);
    expect(left, 'rights that nothing used').to.deep.equal([]);
    expect(asked().filter((each) => each.endsWith(' 403'))).to.deep.equal([]);
    expect(JSON.stringify(rig.controlPlane.process.log())).to.not.match(/forbidden/iu);
  });
});
