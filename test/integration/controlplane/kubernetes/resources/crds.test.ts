/** The definitions of our kinds, on a real API server: what it says of them, what it takes, and what it refuses. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments, stringify } from 'yaml';
import { emptySnapshot } from '../../../../../config/decode.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { decodeContent } from '../../../../../controlplane/model/decode-content.ts';
import { translateOwn } from '../../../../support/translate-own.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';
import { sharedKube } from '../../../../support/kubernetes/shared.ts';

const CRDS = 'k8s/crds';
const GOLDEN = 'test/golden/kubernetes/resources';
const KINDS = [
  'gatewayparameters',
  'offloadpolicies',
  'routes',
  'rulelists',
  'sessions',
  'targets',
  'trafficpolicies',
  'virtualservices',
];

/** A listener, as it is in the object whose field is changed. */
const listener = { spec: { UDP: { port: 1 } }, rules: [] };
const cluster = { spec: { UDP: { port: 1 } }, endpoints: [{ spec: { address: '192.0.2.1' } }] };

/** What is refused, and what is said of it: the field, and what is expected of it. */
const BROKEN: readonly [kind: string, spec: object, ...says: string[]][] = [
  ['VirtualService', {}, 'spec.listener', 'Required'],
  ['VirtualService', { listener: { rules: [] } }, 'spec.listener.spec', 'Required'],
  ['VirtualService', { listener: { spec: listener.spec } }, 'spec.listener.rules', 'Required'],
  ['VirtualService', { listener: { ...listener, spec: {} } }, 'spec.listener.spec', 'expected one protocol'],
  ['VirtualService', { listener: { ...listener, spec: { UPD: { port: 1 } } } }, 'spec.listener.spec', 'one protocol'],
  [
    'VirtualService',
    { listener: { ...listener, spec: { UDP: { port: 1 }, TCP: { port: 1 } } } },
    'spec.listener.spec',
    'expected one protocol',
  ],
  [
    'VirtualService',
    { listener: { ...listener, spec: { UDP: { port: 1 }, protocol: 'UDP' } } },
    'spec.listener.spec',
    'expected one protocol',
  ],
  ['VirtualService', { listener: { ...listener, spec: 'udp://:1' } }, 'spec.listener.spec', 'must be of type object'],
  ['VirtualService', { listener: { ...listener, spec: { UDP: { port: 65536 } } } }, 'spec.listener.spec.UDP.port'],
  ['VirtualService', { listener: { ...listener, spec: { UDP: { port: 'x' } } } }, 'spec.listener.spec.UDP.port'],
  ['VirtualService', { listener: { ...listener, spec: { UDP: {} } } }, 'spec.listener.spec.UDP.port', 'Required'],
  ['VirtualService', { listener: { ...listener, spec: { protocol: 'UDP', port: -1 } } }, 'spec.listener.spec.port'],
  [
    'VirtualService',
    { listener: { ...listener, spec: { UDP: { port: 1, options: { mode: 'client' } } } } },
    'spec.listener.spec.UDP.options.mode',
    'Unsupported value',
  ],
  ['VirtualService', { listener: { ...listener, options: { framing: 'lines' } } }, 'spec.listener.options.framing'],
  ['VirtualService', { listener: { ...listener, options: { queue_limit: 0 } } }, 'spec.listener.options.queue_limit'],
  ['VirtualService', { listener: { ...listener, rules: [{}] } }, 'spec.listener.rules[0].action', 'Required'],
  [
    'VirtualService',
    { listener: { ...listener, rules: [{ action: { route: { retry: { retry_on: 'often' } } } }] } },
    'spec.listener.rules[0].action.route.retry.retry_on',
  ],
  ['VirtualService', { listener, selector: { matchLabels: { a: 1 } } }, 'spec.selector.matchLabels.a'],
  [
    'VirtualService',
    { listener, selector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } },
    'spec.selector.matchExpressions[0].operator',
  ],
  [
    'VirtualService',
    { listener, selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    'spec.selector.matchExpressions[0]',
    'In and NotIn want values',
  ],
  [
    'VirtualService',
    { listener, selector: { matchFields: [{ key: 'spec.x', operator: 'In', values: ['a'] }] } },
    'spec.selector.matchFields[0].key',
  ],
  ['Target', {}, 'spec', 'expected either cluster or linkedVirtualService'],
  ['Target', { cluster, linkedVirtualService: 'a' }, 'spec', 'expected either cluster or linkedVirtualService'],
  ['Target', { cluster: { endpoints: [] } }, 'spec.cluster.spec', 'Required'],
  ['Target', { cluster: { ...cluster, loadbalancer: { policy: 'Best' } } }, 'spec.cluster.loadbalancer.policy'],
  ['Target', { cluster: { ...cluster, loadbalancer: 'RoundRobin' } }, 'spec.cluster.loadbalancer', 'type object'],
  [
    'Target',
    { cluster: { ...cluster, endpoints: [{}] } },
    'spec.cluster.endpoints[0]',
    'either spec.address or selector',
  ],
  [
    'Target',
    { cluster: { ...cluster, endpoints: [{ spec: { address: 'a' }, selector: {} }] } },
    'spec.cluster.endpoints[0]',
    'either spec.address or selector',
  ],
  [
    'Target',
    { cluster: { ...cluster, endpoints: [{ name: 'a', selector: {} }] } },
    'spec.cluster.endpoints[0]',
    'no name beside selector',
  ],
  ['Target', { cluster: { ...cluster, health_check: { interval: 1 } } }, 'spec.cluster.health_check.interval'],
  ['Route', {}, 'spec', 'oneOf'],
  ['Route', { destination: 'a', destinations: [{ cluster: 'b' }] }, 'spec', 'oneOf'],
  ['Route', { destination: 'a', retry: { num_retries: -1 } }, 'spec.retry.num_retries'],
  [
    'Route',
    { destinations: [{ cluster: 'a', weight: -1 }] },
    'spec.destinations[0].weight',
    'greater than or equal to 0',
  ],
  ['Route', { destination: 'a', mirrors: [{ cluster: 'b', percent: 101 }] }, 'spec.mirrors[0].percent'],
  ['RuleList', { rules: 'a' }, 'spec.rules', 'must be of type array'],
  ['RuleList', { rules: [{ action: { rewrite: [{}] } }] }, 'spec.rules[0].action.rewrite[0].path', 'Required'],
  ['Session', { listeners: [{ name: 'a', ...listener }] }, 'spec', 'expected ttl, expiresAt, or both'],
  ['Session', { ttl: '1 hour', listeners: [{ name: 'a', ...listener }] }, 'spec.ttl'],
  ['Session', { expiresAt: 'tomorrow', listeners: [{ name: 'a', ...listener }] }, 'spec.expiresAt'],
  ['Session', { ttl: '1h', listeners: [] }, 'spec.listeners'],
  ['Session', { ttl: '1h', listeners: [{ ...listener }] }, 'spec.listeners[0].name', 'Required'],
  [
    'Session',
    {
      ttl: '1h',
      listeners: [
        { name: 'a', ...listener },
        { name: 'a', ...listener },
      ],
    },
    'spec.listeners[1]',
    'Duplicate',
  ],
  ['OffloadPolicy', { offload: {} }, 'spec.targetRefs', 'Required'],
  ['OffloadPolicy', { targetRefs: [{ kind: 'Route', name: 'a' }], offload: {} }, 'spec.targetRefs[0].kind'],
  ['OffloadPolicy', { targetRefs: [{ kind: 'Session', name: 'a' }] }, 'spec.offload', 'Required'],
  [
    'OffloadPolicy',
    { targetRefs: [{ kind: 'Session', name: 'a' }], offload: { policy: 'perhaps' } },
    'spec.offload.policy',
  ],
  [
    'OffloadPolicy',
    { targetRefs: [{ kind: 'Session', name: 'a', sectionName: 'b' }], offload: {} },
    'spec.targetRefs[0]',
    'expected no sectionName',
  ],
  [
    'OffloadPolicy',
    { targetRefs: [{ group: 'l7mp.io', kind: 'Gateway', name: 'a' }], offload: {} },
    'spec.targetRefs[0]',
    'expected the group of the kind',
  ],
  ['TelemetryPolicy', { telemetry: {} }, 'spec.targetRefs', 'Required'],
  ['TelemetryPolicy', { targetRefs: [{ kind: 'Route', name: 'a' }], telemetry: {} }, 'spec.targetRefs[0].kind'],
  ['TelemetryPolicy', { targetRefs: [{ kind: 'Session', name: 'a' }] }, 'spec.telemetry', 'Required'],
  [
    'TelemetryPolicy',
    { targetRefs: [{ kind: 'Session', name: 'a' }], telemetry: { tracing: { percent: 101 } } },
    'spec.telemetry.tracing.percent',
  ],
  ['TrafficPolicy', { connect_timeout: 5 }, 'spec.targetRefs', 'Required'],
  ['TrafficPolicy', { targetRefs: [{ kind: 'Service', name: 'a' }] }, 'spec', 'expected something for its targets'],
  ['TrafficPolicy', { targetRefs: [{ kind: 'Target', name: 'a' }], connect_timeout: 5 }, 'spec.targetRefs[0].kind'],
  [
    'TrafficPolicy',
    {
      targetRefs: [
        { kind: 'Service', name: 'a' },
        { kind: 'Service', name: 'a' },
      ],
      connect_timeout: 5,
    },
    'expected each target once in targetRefs',
  ],
  [
    'TrafficPolicy',
    { targetRefs: [{ group: 'apps', kind: 'UDPRoute', name: 'a' }], retry: {} },
    'spec.targetRefs[0]',
    'expected the group of the kind',
  ],
  [
    'TrafficPolicy',
    {
      targetRefs: [
        { kind: 'UDPRoute', name: 'a' },
        { kind: 'Service', name: 'a' },
      ],
      limits: { max_sessions: 1 },
    },
    'spec',
    'expected no retry, timeouts, fault, limits or mirrors where a Service is a target',
  ],
  [
    'TrafficPolicy',
    { targetRefs: [{ kind: 'UDPRoute', name: 'a' }], listener: { max_sessions: 1 } },
    'spec',
    'expected no listener where a target is no Gateway or ListenerSet',
  ],
  [
    'TrafficPolicy',
    { targetRefs: [{ kind: 'UDPRoute', name: 'a' }], mirrors: [{ backendRef: { name: 'b' } }] },
    'spec.mirrors[0].backendRef.port',
    'Required',
  ],
  [
    'TrafficPolicy',
    { targetRefs: [{ kind: 'Service', name: 'a' }], persistence: { type: 'address' } },
    'spec.persistence.type',
  ],
  [
    'TrafficPolicy',
    { targetRefs: [{ kind: 'Service', name: 'a' }], loadbalancer: { key: '/IP/src_addr' } },
    'spec.loadbalancer.policy',
    'Required',
  ],
];

function object(kind: string, name: string, spec: object, namespace = 'default'): KubeObject {
  return { apiVersion: 'l7mp.io/v1', kind, metadata: { name, namespace, generation: 1 }, spec };
}

function documents(text: string): KubeObject[] {
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

/** The YAML in a page. */
function examples(page: string): KubeObject[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```yaml\n([^]*?)^```$/gmu)].flatMap(([, text = '']) =>
    documents(text),
  );
}

describe('custom resources on a real API server', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasControllers: false });
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-crds-'));

  before(async () => {
    const said = await kube().tryKubectl(['apply', '--server-side', '--warnings-as-errors', '-f', CRDS]);
    expect([said.code, said.stderr]).to.deep.equal([0, '']);
    await kube().installCrds(CRDS);
  });
  after(async () => {
    await kube().kubectl(['delete', '--wait=false', '-f', CRDS]);
    rmSync(directory, { recursive: true });
  });

  /** What kubectl says of objects that are applied, and not kept. */
  async function dryRun(objects: readonly KubeObject[]): Promise<string> {
    const file = join(directory, 'objects.yaml');
    writeFileSync(file, objects.map((each) => stringify(each, { version: '1.1' })).join('---\n'));
    const args = ['apply', '--dry-run=server', '--validate=strict', '--warnings-as-errors', '-f', file];
    const { code, stdout, stderr } = await kube().tryKubectl(args);
    return code === 0 ? '' : `${stdout}${stderr}`;
  }

  it('establishes all kinds, without a word against their schemas', async () => {
    for (const plural of KINDS) {
      const { status } = await kube().read<{
        status: { conditions: { type: string; status: string; message: string }[] };
      }>('crd', `${plural}.l7mp.io`);
      const conditions = Object.fromEntries(status.conditions.map(({ type, status: value }) => [type, value]));
      expect(conditions).to.deep.equal({ NamesAccepted: 'True', Established: 'True' });
    }
    const listed = await kube().kubectl(['api-resources', '--categories=l7mp', '--output=name']);
    expect(listed.trim().split('\n')).to.include.members(KINDS.map((plural) => `${plural}.l7mp.io`));
  });

  it('explains fields by the words of the configuration', async () => {
    const explain = (path: string) => kube().kubectl(['explain', path]);
    const text = await explain('virtualservice.spec.listener');
    expect(text)
      .to.match(/spec\s+<Object> -required-/u)
      .and.contain('Limits and bookkeeping.');
    expect(text).to.not.contain('a string is read');
    expect(await explain('vsvc.spec.listener.spec.UDP')).to.match(
      /port\s+<integer> -required-\s+The port it listens on/u,
    );
    expect(await explain('rlist.spec.rules.action.route.retry')).to.contain('Attempts after the first.');
    expect(await explain('target.spec.cluster.loadbalancer')).to.match(/enum: .*RoundRobin/u);
    expect(await explain('session.spec.ttl')).to.contain('90s');
  });

  it('takes what the documentation shows, which comes to what is accepted', async () => {
    const shown = examples('docs/kubernetes/resources.md');
    expect(shown.map(({ kind }) => kind)).to.have.length(7);
    expect(await dryRun(shown)).to.equal('');
    const now = Date.parse('2026-01-01T00:00:00Z');
    const there = shown.map((each) => ({
      ...each,
      metadata: { ...each.metadata, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    }));
    for (const plan of translateOwn(kubeReader(there), { now }).statuses) {
      // Policies tell of each target instead, and those are not on that page.
      const { conditions = [] } = plan.render({ selected: 1, acked: 1, serving: 1, failures: [] }) as {
        conditions?: { type: string; status: string }[];
      };
      const states = conditions.map(({ type, status }) => `${plan.ref.name} ${type} ${status}`);
      expect(states.filter((state) => !state.endsWith('True'))).to.deep.equal([]);
    }
  });

  it('takes all objects of golden files but the broken ones, and what it fills in changes nothing for proxies', async () => {
    const now = Date.parse('2026-01-01T01:00:00Z');
    for (const file of readdirSync(GOLDEN)) {
      if (!file.endsWith('.in.yaml') || file.startsWith('broken')) continue;
      const all = readManifests(join(GOLDEN, file));
      const isOwn = ({ apiVersion }: KubeObject): boolean => apiVersion === 'l7mp.io/v1';
      const own = all.filter(isOwn);
      const here = own.map((each) => ({ ...each, metadata: { name: each.metadata.name, namespace: 'default' } }));
      expect([file, await dryRun(here)]).to.deep.equal([file, '']);
      const filled = await Promise.all(
        own.map(async ({ metadata }, index): Promise<KubeObject> => {
          const args = ['apply', '--dry-run=server', '--output=json', '-f', '-'];
          const { apiVersion, kind, spec } = JSON.parse(await kube().kubectl(args, here[index])) as KubeObject;
          return { apiVersion, kind, metadata, spec };
        }),
      );
      const [before, after] = [all, [...filled, ...all.filter((each) => !isOwn(each))]].map((objects) => {
        const { objects: contents, statuses } = translateOwn(kubeReader(objects), { now });
        const decoded = contents.map(({ content }) => {
          const { parts } = decodeContent(content, emptySnapshot());
          return [content.key, content.selector, content.key.kind === 'Secret' || parts];
        });
        return [
          decoded,
          statuses.map((plan) => [plan, plan.render({ selected: 1, acked: 1, serving: 1, failures: [] })]),
        ];
      });
      expect(JSON.stringify(after)).to.equal(JSON.stringify(before));
    }
  });

  for (const [index, [kind, spec, ...says]] of BROKEN.entries()) {
    it(`refuses ${kind} ${JSON.stringify(spec).slice(0, 90)} (${index})`, async () => {
      const said = await dryRun([object(kind, 'broken', spec)]);
      for (const part of says) expect(said).to.contain(part);
    });
  }

  it('fills in defaults below a protocol only where it is named', async () => {
    await kube().apply(
      object('VirtualService', 'flat', { listener: { spec: { protocol: 'UDP', port: 1 }, rules: 'a' } }),
    );
    await kube().apply(object('VirtualService', 'keyed', { listener }));
    const spec = async (name: string) =>
      (await kube().read<{ spec: { listener: { spec: object } } }>('vsvc', name)).spec.listener.spec;
    expect(await spec('flat')).to.deep.equal({ protocol: 'UDP', port: 1 });
    expect(await spec('keyed')).to.deep.equal({ UDP: { address: '0.0.0.0', port: 1 } });
    await kube().kubectl(['delete', 'vsvc', 'flat', 'keyed']);
  });

  it('takes the statuses of translations, and shows them', async () => {
    const objects = [
      object('VirtualService', 'shown', {
        listener: { ...listener, rules: [{ action: { route: { destination: 'none' } } }] },
      }),
      object('VirtualService', 'well', { listener: { spec: { UDP: { port: 2 } }, rules: [] } }),
      object('Session', 'call', { ttl: '1h', listeners: [{ name: 'rtp', spec: { UDP: { port: 3 } }, rules: [] }] }),
      object('OffloadPolicy', 'fast', {
        targetRefs: [{ kind: 'VirtualService', name: 'well' }],
        offload: { policy: 'always' },
      }),
    ];
    await kube().apply(...objects);
    const stored = await Promise.all(objects.map(({ kind, metadata }) => kube().read<KubeObject>(kind, metadata.name)));
    for (const plan of translateOwn(kubeReader(stored)).statuses) {
      const { ref } = plan;
      const text = JSON.stringify(plan.render({ selected: 2, acked: 1, serving: 0, failures: [] }));
      const status = JSON.parse(text, (key, value: unknown) =>
        key === 'conditions'
          ? (value as object[]).map((each) => ({ ...each, lastTransitionTime: '2026-01-01T00:00:00Z' }))
          : value,
      ) as object;
      const patch = [
        'patch',
        ref.kind,
        ref.name,
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ];
      const { code, stderr } = await kube().tryKubectl([...patch, '--warnings-as-errors']);
      expect([ref.name, code, stderr]).to.deep.equal([ref.name, 0, '']);
    }
    const table = await kube().kubectl(['get', 'vsvc', 'shown', 'well', '--output=wide']);
    expect(table).to.match(/NAME\s+ACCEPTED\s+PROGRAMMED\s+SERVING\s+REASON\s+AGE/u);
    expect(table).to.match(
      /shown\s+False\s+1 of 2\s+False\s+.*there is no Target, VirtualService or Service default\/none/u,
    );
    expect(table).to.match(/well\s+True\s+1 of 2\s+False/u);
    const { status } = await kube().read<{ status: { expiresAt: string } }>('session', 'call');
    expect(Date.parse(status.expiresAt)).to.be.greaterThan(Date.now());
    await kube().kubectl(['delete', 'vsvc,session,offloadpolicy', '--all']);
  });
});
