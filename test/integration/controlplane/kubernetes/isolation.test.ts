/** An object that is broken is refused, or has its reason in its status, and is of no consequence for the others. */
import { expect } from 'chai';
import type { Json } from '../../../../gen/l7mp/config/v1/types.ts';
import { KubeError } from '../../../../controlplane/kubernetes/runtime/index.ts';
import type { KindName } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { Asking } from '../../../support/asking.ts';
import type { LoggingProcess } from '../../../support/control-plane-process.ts';
import { freePort } from '../../../support/free-port.ts';
import { type AnyObject, CLASS, KubeControlPlane } from '../../../support/kubernetes/control-plane.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

const parentRefs = [{ name: 'web', sectionName: 'http' }];
const backendRefs = [{ name: 'still', port: 80 }];
const destination = 'origin';
const selector = { matchLabels: { app: 'edge' } };

/** Objects that are valid: one of each kind. */
const VALID = {
  HTTPRoute: {
    ...{ parentRefs, hostnames: ['broken.example'] },
    rules: [
      {
        matches: [
          {
            path: { type: 'PathPrefix', value: '/broken' },
            headers: [{ type: 'Exact', name: 'x', value: 'y' }],
            queryParams: [{ type: 'Exact', name: 'q', value: '1' }],
            method: 'GET',
          },
        ],
        filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }],
        timeouts: { request: '10s' },
        backendRefs,
      },
    ],
  },
  // Elsewhere than HTTPRoutes: of a hostname, there may be only one kind of routes.
  GRPCRoute: {
    ...{ parentRefs: [{ name: 'web', sectionName: 'grpc' }], hostnames: ['grpc.example'] },
    rules: [{ matches: [{ method: { type: 'Exact', service: 'a.B', method: 'C' } }], backendRefs }],
  },
  Gateway: {
    gatewayClassName: CLASS,
    listeners: [{ name: 'http', port: 8080, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'Same' } } }],
  },
  VirtualService: {
    selector,
    listener: { spec: { TCP: { port: 9999 } }, rules: [{ action: { route: { destination } } }] },
  },
  Target: { selector, cluster: { spec: { TCP: { port: 1 } }, endpoints: [{ spec: { address: '192.0.2.1' } }] } },
  Route: { destination, retry: { retry_on: 'always', num_retries: 1 } },
  RuleList: { rules: [{ action: { route: { destination } } }] },
  Session: {
    ...{ ttl: '1h', selector },
    listeners: [{ name: 'a', spec: { TCP: { port: 9998 } }, rules: [{ action: { route: { destination } } }] }],
  },
  OffloadPolicy: { targetRefs: [{ kind: 'VirtualService', name: 'good' }], offload: { policy: 'never' } },
  TelemetryPolicy: {
    targetRefs: [{ kind: 'VirtualService', name: 'good' }],
    telemetry: { access_log: { sessions: 'failed' } },
  },
  // Of the rest of the Gateway that all go on to ask.
  TrafficPolicy: {
    targetRefs: [{ kind: 'Gateway', name: 'web', sectionName: 'grpc' }],
    ...{ loadbalancer: { policy: 'Maglev', key: '/IP/src_addr' }, connect_timeout: 500 },
    retry: { retry_on: 'always', statuses: [503] },
    timeouts: { session: 60_000 },
    fault: { abort: { percent: 1, status: 503 } },
    limits: { max_sessions: 1000 },
    persistence: { type: 'cookie', name: 'shop' },
    mirrors: [{ backendRef: { name: 'still', port: 80 }, percent: 1 }],
    listener: { max_sessions: 100 },
  },
} as const satisfies Readonly<Partial<Record<KindName, Json | object>>>;

type Kind = keyof typeof VALID;

/** What the schema lets through, or CEL refuses: the field, and what is wrong in it. */
const BROKEN: readonly [kind: Kind, path: string, value: Json][] = [
  ['HTTPRoute', 'rules.0.backendRefs.0.name', 'nowhere'],
  ['HTTPRoute', 'rules.0.backendRefs.0.port', 81],
  ['HTTPRoute', 'rules.0.backendRefs.0.port', 0],
  ['HTTPRoute', 'rules.0.backendRefs.0.port', 65_536],
  ['HTTPRoute', 'rules.0.backendRefs.0.weight', -1],
  ['HTTPRoute', 'rules.0.backendRefs.0.kind', 'Widget'],
  ['HTTPRoute', 'rules.0.backendRefs.0.group', 'example.com'],
  ['HTTPRoute', 'rules.0.backendRefs.0.namespace', 'kube-system'],
  ['HTTPRoute', 'parentRefs.0.sectionName', 'nope'],
  ['HTTPRoute', 'parentRefs.0.port', 1],
  ['HTTPRoute', 'hostnames.0', 'a_b'],
  ['HTTPRoute', 'hostnames.0', '*.*.example'],
  ['HTTPRoute', 'hostnames.0', '192.0.2.1:80'],
  ['HTTPRoute', 'rules.0.matches.0.path', { type: 'RegularExpression', value: '(' }],
  ['HTTPRoute', 'rules.0.matches.0.path.value', 'x'],
  ['HTTPRoute', 'rules.0.matches.0.path.value', '/a//b'],
  ['HTTPRoute', 'rules.0.matches.0.path.value', '/a/../b'],
  ['HTTPRoute', 'rules.0.matches.0.path.type', 'Suffix'],
  ['HTTPRoute', 'rules.0.matches.0.headers.0', { type: 'RegularExpression', name: 'x', value: '[' }],
  ['HTTPRoute', 'rules.0.matches.0.headers.0.name', 'a b'],
  ['HTTPRoute', 'rules.0.matches.0.queryParams.0', { type: 'RegularExpression', name: 'x', value: '*' }],
  ['HTTPRoute', 'rules.0.matches.0.method', 'FETCH'],
  ['HTTPRoute', 'rules.0.timeouts.request', 'soon'],
  ['HTTPRoute', 'rules.0.timeouts', { request: '1s', backendRequest: '2s' }],
  [
    'HTTPRoute',
    'rules.0.filters.0',
    { type: 'RequestMirror', requestMirror: { backendRef: { name: 'no', port: 80 } } },
  ],
  ['HTTPRoute', 'rules.0.filters.0', { type: 'RequestMirror' }],
  ['HTTPRoute', 'rules.0.filters.0', { type: 'Nothing' }],
  ['HTTPRoute', 'rules.0.filters.0', { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch' } } }],
  [
    'HTTPRoute',
    'rules.0.filters.0',
    { type: 'ExtensionRef', extensionRef: { group: 'example.com', kind: 'Widget', name: 'w' } },
  ],
  ['HTTPRoute', 'rules.0.filters.0.requestHeaderModifier.set.0.name', 'a:b'],
  ['HTTPRoute', 'rules', []],
  ['GRPCRoute', 'rules.0.backendRefs.0.name', 'nowhere'],
  ['GRPCRoute', 'rules.0.backendRefs.0.namespace', 'kube-system'],
  ['GRPCRoute', 'parentRefs.0.sectionName', 'nope'],
  ['GRPCRoute', 'rules.0.matches.0.method', { type: 'RegularExpression', service: '(', method: 'x' }],
  ['GRPCRoute', 'rules.0.matches.0.method', { type: 'Exact', service: 'a b', method: 'x' }],
  ['GRPCRoute', 'rules.0.matches.0.headers', [{ type: 'RegularExpression', name: 'x', value: '(' }]],
  ['Gateway', 'listeners', []],
  ['Gateway', 'listeners.0.port', 0],
  ['Gateway', 'listeners.0.port', 70_000],
  ['Gateway', 'listeners.0.protocol', 'example.com/none'],
  ['Gateway', 'listeners.0.hostname', 'a_b'],
  ['Gateway', 'listeners.0.allowedRoutes.kinds', [{ kind: 'Widget' }]],
  ['Gateway', 'listeners.0.allowedRoutes.namespaces.from', 'Nowhere'],
  ['Gateway', 'listeners.0', { name: 'https', port: 8443, protocol: 'HTTPS' }],
  [
    'Gateway',
    'listeners.0',
    { name: 'https', port: 8443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'nowhere' }] } },
  ],
  [
    'Gateway',
    'listeners.0',
    {
      name: 'https',
      port: 8443,
      protocol: 'HTTPS',
      tls: { certificateRefs: [{ name: 'a', namespace: 'kube-system' }] },
    },
  ],
  [
    'Gateway',
    'listeners.0',
    { name: 'https', port: 8443, protocol: 'HTTPS', tls: { certificateRefs: [{ kind: 'Widget', name: 'a' }] } },
  ],
  ['Gateway', 'addresses', [{ type: 'example.com/other', value: 'x' }]],
  ['Gateway', 'addresses', [{ type: 'IPAddress', value: 'x' }]],
  ['Gateway', 'infrastructure', { parametersRef: { group: 'l7mp.io', kind: 'GatewayParameters', name: 'nowhere' } }],
  ['Gateway', 'infrastructure', { parametersRef: { group: 'example.com', kind: 'Widget', name: 'w' } }],
  ['VirtualService', 'listener.rules.0.action.route.destination', 'nowhere'],
  ['VirtualService', 'listener.rules.0.action.route.destination', 'kube-system/secret'],
  ['VirtualService', 'listener.rules.0.action.route.destination', 'still:81'],
  ['VirtualService', 'listener.rules.0.action.route', 'nowhere'],
  ['VirtualService', 'listener.rules.0.action.apply', 'nowhere'],
  ['VirtualService', 'listener.rules', 'nowhere'],
  ['VirtualService', 'listener.rules.0.match', { op: 'guess', path: '/a', value: 1 }],
  ['VirtualService', 'listener.rules.0.match', { op: 'matches', path: '/a', value: '(' }],
  ['VirtualService', 'listener.spec', { protocol: 'Nothing', port: 1 }],
  ['VirtualService', 'listener.spec', { TLS: { port: 9, tls: { cert: 'secret:nowhere', key: 'secret:nowhere' } } }],
  ['VirtualService', 'listener.spec.TCP.port', 70_000],
  ['VirtualService', 'selector.matchService', 'nowhere'],
  ['Target', 'cluster.spec', { protocol: 'Nothing' }],
  ['Target', 'cluster.endpoints.0.spec.address', ''],
  ['Target', 'linkedVirtualService', 'nowhere'],
  ['Route', 'destination', 'nowhere'],
  ['Route', 'ingress', ['nowhere']],
  ['Route', 'mirrors', [{ cluster: 'nowhere', percent: 1 }]],
  ['RuleList', 'rules.0.action.route.destination', 'nowhere'],
  ['RuleList', 'rules.0.match', { op: 'guess', path: '/a', value: 1 }],
  ['RuleList', 'rules.0.action.route', 'nowhere'],
  ['Session', 'listeners.0.rules.0.action.route.destination', 'nowhere'],
  ['Session', 'listeners.0.spec', { protocol: 'Nothing', port: 1 }],
  ['Session', 'ttl', '-1h'],
  ['OffloadPolicy', 'targetRefs.0.name', 'nowhere'],
  ['OffloadPolicy', 'offload.policy', 'perhaps'],
  ['OffloadPolicy', 'targetRefs.0', { kind: 'Gateway', name: 'nowhere' }],
  ['OffloadPolicy', 'targetRefs.0', { kind: 'Gateway', name: 'web', sectionName: 'nope' }],
  ['TrafficPolicy', 'targetRefs.0.name', 'nowhere'],
  ['TrafficPolicy', 'targetRefs.0.sectionName', 'nope'],
  ['TrafficPolicy', 'targetRefs.0', { kind: 'HTTPRoute', name: 'good', sectionName: 'nope' }],
  ['TrafficPolicy', 'targetRefs.0', { kind: 'Service', name: 'still' }],
  ['TrafficPolicy', 'loadbalancer.key', '/a~b'],
  ['TrafficPolicy', 'listener.max_sessions', -1],
  ['TrafficPolicy', 'retry.statuses', [99]],
  ['TrafficPolicy', 'fault.abort.status', 700],
  ['TrafficPolicy', 'limits.sessions_per_second', -1],
  ['TrafficPolicy', 'persistence.name', 'a b'],
  ['TrafficPolicy', 'persistence', { lifetime: 'permanent' }],
  ['TrafficPolicy', 'persistence', { path: 'x' }],
  ['TrafficPolicy', 'mirrors.0.backendRef.name', 'nowhere'],
  ['TrafficPolicy', 'mirrors.0.backendRef.namespace', 'kube-system'],
  ['HTTPRoute', 'rules.0.sessionPersistence', { sessionName: 'a b' }],
  ['HTTPRoute', 'rules.0.sessionPersistence', { cookieConfig: { lifetimeType: 'Permanent' } }],
  ['TelemetryPolicy', 'targetRefs.0.name', 'nowhere'],
  ['TelemetryPolicy', 'targetRefs.0', { kind: 'Gateway', name: 'good' }],
  ['TelemetryPolicy', 'telemetry.access_log.sessions', 'some'],
  ['TelemetryPolicy', 'telemetry.tracing', { percent: 200 }],
  ['TelemetryPolicy', 'telemetry.metric_label', { name: 'a', path: '/a~b' }],
];

/** A copy with another value at a path, as in `rules.0.name`. */
function changed(value: Json, [key = '', ...rest]: readonly string[], by: Json): Json {
  const next = (inner: Json): Json => (rest.length === 0 ? by : changed(inner, rest, by));
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === key ? next(item) : item));
  const fields = (value ?? {}) as Record<string, Json>;
  return { ...fields, [key]: next(fields[key] ?? {}) };
}

/** The paths of all texts, numbers and booleans. */
function leaves(value: Json, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}

interface Case {
  readonly kind: Kind;
  readonly title: string;
  readonly spec: Json;
}

const MUTATIONS: readonly (readonly [kind: Kind, path: string, value: Json])[] = [
  ...BROKEN,
  // A list in the place of each single value.
  ...(Object.entries(VALID) as unknown as [Kind, Json][]).flatMap(([kind, valid]) =>
    leaves(valid).map((path): [Kind, string, Json] => [kind, path.join('.'), [[]]]),
  ),
];

const CASES = MUTATIONS.map(([kind, path, value], index): Case => {
  const valid = VALID[kind] as unknown as Json;
  // Each for proxies of its own: no listener is to clash with another.
  const apart = 'selector' in VALID[kind] ? changed(valid, ['selector', 'matchLabels', 'app'], `app-${index}`) : valid;
  return { kind, title: `${kind} ${path}: ${JSON.stringify(value)}`, spec: changed(apart, path.split('.'), value) };
});

interface Conditions {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

/** What a status says against its object. */
function faultsOf({ status = {} }: AnyObject): string[] {
  const { parents = [], ancestors = [] } = status;
  const { listeners = [] } = status as { listeners?: readonly Conditions[] };
  const all: readonly Conditions[] = [status, ...parents, ...ancestors, ...listeners];
  return all.flatMap(({ conditions = [] }) =>
    conditions
      .filter(({ type, status: is }) => /^(?:Accepted|ResolvedRefs)$/u.test(type) && is === 'False')
      .map(({ message }) => message),
  );
}

describe('kubernetes: broken objects', function () {
  this.timeout(120_000);
  const kube = sharedKube({ gatewayApi: 'experimental' });
  let rig: KubeControlPlane;
  let proxy: LoggingProcess;
  let port: number;

  before(async () => {
    await kube().installCrds('k8s/crds');
    rig = await KubeControlPlane.start(kube());
    port = await freePort();
    await rig.service('still', await rig.server('still'));
    const protocol = 'HTTP';
    const listeners = [
      { name: 'http', port, protocol },
      { name: 'grpc', port: await freePort(), protocol },
    ];
    await rig.apply('Gateway', 'web', { spec: { gatewayClassName: CLASS, listeners } });
    await rig.apply('HTTPRoute', 'good', { spec: { parentRefs, rules: [{ backendRefs }] } });
    await rig.apply('Target', 'origin', { spec: VALID.Target });
    await rig.apply('VirtualService', 'good', {
      spec: {
        ...VALID.VirtualService,
        listener: { ...VALID.VirtualService.listener, spec: { TCP: { port: await freePort() } } },
      },
    });
    proxy = rig.proxyOf('web', 'p1');
  });
  after(async () => {
    await (proxy as LoggingProcess | undefined)?.stop();
    await (rig as KubeControlPlane | undefined)?.stop();
  });

  const goes = async (): Promise<void> => {
    await rig.untilTold('Gateway', 'web', 'Programmed', { status: 'True', message: '1 of 1 proxies' });
    await rig.untilTold('HTTPRoute', 'good', 'Accepted', { status: 'True' });
    await rig.untilTold('VirtualService', 'good', 'Accepted', { status: 'True' });
  };

  it('takes the valid ones', async () => {
    for (const [kind, spec] of Object.entries(VALID) as [Kind, object][]) {
      await rig.apply(kind, 'valid', { spec });
      await until(`${kind} to be accepted`, async () => {
        const found = await rig.read(kind, 'valid');
        return JSON.stringify(found?.status ?? {}).includes('"True"') && faultsOf(found!).length === 0;
      });
      await rig.remove(kind, 'valid');
    }
    await goes();
  });

  it(`refuses ${CASES.length} objects, or says why they are of no effect, while others go on`, async () => {
    expect(CASES.length).to.be.least(100);
    const asking = new Asking(`http://127.0.0.1:${port}/`, 'still');
    const taken = new Map<string, Case>();
    let refused = 0;
    for (const [index, { kind, spec, title }] of CASES.entries()) {
      const name = `broken-${index}`;
      try {
        await rig.apply(kind, name, { spec: spec as object });
        taken.set(name, CASES[index]!);
      } catch (error) {
        // A patch that does not fit a kind's types is 500 to the API server.
        if (!(error instanceof KubeError) || error.code < 400) throw error;
        expect(error.message, title).to.not.equal('');
        refused += 1;
      }
    }
    const silent = async (): Promise<string[]> => {
      const all = await Promise.all(
        Array.from(taken, async ([name, { kind, title }]) => {
          const faults = faultsOf((await rig.read(kind, name))!);
          return faults.some((message) => message !== '') ? '' : title;
        }),
      );
      return all.filter((title) => title !== '');
    };
    let left: string[] = [];
    await until('all to have a reason', async () => (left = await silent()).length === 0, 10_000).catch(
      () => undefined,
    );
    expect(left, 'neither refused nor told of').to.deep.equal([]);
    expect(refused).to.be.above(0);
    expect(taken.size).to.be.above(0);
    await goes();
    await asking.stop();
    expect(asking.faults).to.deep.equal([]);
    expect(proxy.log().filter(({ level }) => level === 'error')).to.deep.equal([]);
    expect(rig.controlPlane.process.log().filter(({ level }) => level === 'error')).to.deep.equal([]);
  });
});
