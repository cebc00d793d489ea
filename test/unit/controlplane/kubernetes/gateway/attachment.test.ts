/** Conflicts of listeners, and which routes attach where. */
import { expect } from 'chai';
import type { Condition, KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { translateGateways } from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { backend, gateway, gatewayClass, httpRoute } from '../../../../support/gateways.ts';
import { kubeReader } from '../../../../support/kube-reader.ts';

interface Rendered {
  readonly listeners: readonly {
    readonly name: string;
    readonly attachedRoutes: number;
    readonly conditions: readonly Condition[];
  }[];
  readonly parents: readonly { readonly conditions: readonly Condition[] }[];
}

function statusOf(objects: readonly KubeObject[], kind: string, name: string): Rendered {
  const { statuses } = translateGateways(kubeReader([gatewayClass(), backend('s'), ...objects]));
  const plan = statuses.find(({ ref }) => ref.kind === kind && ref.name === name)!;
  return plan.render({ selected: 1, acked: 1, serving: 1, failures: [] }) as unknown as Rendered;
}

const accepted = ({ conditions }: { conditions: readonly Condition[] }): string =>
  conditions.find(({ type }) => type === 'Accepted')!.reason;

const listener = (name: string, port: number, protocol: string, more: object = {}): object => ({
  name,
  port,
  protocol,
  ...more,
});
const through = { tls: { mode: 'Passthrough' } };

describe('listeners of a Gateway', () => {
  const cases: Record<string, readonly [readonly object[], readonly string[]]> = {
    'share a port by hostname': [
      [
        listener('a', 80, 'HTTP', { hostname: 'a' }),
        listener('b', 80, 'HTTP'),
        listener('c', 80, 'HTTP', { hostname: '*.a' }),
      ],
      ['Accepted', 'Accepted', 'Accepted'],
    ],
    'have a hostname once, whatever its case': [
      [
        listener('a', 80, 'HTTP', { hostname: 'a' }),
        listener('b', 80, 'HTTP', { hostname: 'A' }),
        listener('c', 80, 'HTTP'),
      ],
      ['HostnameConflict', 'HostnameConflict', 'Accepted'],
    ],
    'share no port between protocols': [
      [listener('a', 80, 'HTTP'), listener('b', 80, 'TCP'), listener('c', 80, 'TLS', through)],
      ['ProtocolConflict', 'ProtocolConflict', 'ProtocolConflict'],
    ],
    'have TCP and UDP beside each other': [
      [listener('a', 53, 'TCP'), listener('b', 53, 'UDP')],
      ['Accepted', 'Accepted'],
    ],
    'have a port of UDP once': [
      [listener('a', 53, 'UDP'), listener('b', 53, 'UDP'), listener('c', 54, 'UDP')],
      ['ProtocolConflict', 'ProtocolConflict', 'Accepted'],
    ],
    'that are not valid are in nobody’s way': [
      [listener('a', 80, 'HTTP'), listener('b', 80, 'Smoke')],
      ['Accepted', 'UnsupportedProtocol'],
    ],
  };
  for (const [name, [listeners, expected]] of Object.entries(cases)) {
    it(name, () => {
      expect(statusOf([gateway('g', listeners)], 'Gateway', 'g').listeners.map(accepted)).to.deep.equal(expected);
    });
  }
});

describe('routes', () => {
  const route = (name: string, parentRefs: readonly object[], more: object = {}, created?: string): KubeObject => {
    const made = httpRoute(name, 'g', { parentRefs, rules: [{ backendRefs: [{ name: 's', port: 80 }] }], ...more });
    return { ...made, metadata: { ...made.metadata, ...(created !== undefined && { creationTimestamp: created }) } };
  };
  const web = gateway('g', [
    listener('a', 80, 'HTTP', { hostname: 'a.example' }),
    listener('b', 81, 'HTTP', { hostname: '*.b.example' }),
    listener('t', 82, 'TCP'),
  ]);

  it('attach by section and port, and say which of what is missing', () => {
    const refs = [
      {},
      { sectionName: 'a' },
      { port: 81 },
      { sectionName: 'a', port: 81 },
      { sectionName: 'z' },
      { sectionName: 't' },
    ];
    const { parents } = statusOf(
      [
        web,
        route(
          'r',
          refs.map((ref) => ({ name: 'g', ...ref })),
        ),
      ],
      'HTTPRoute',
      'r',
    );
    expect(parents.map(accepted)).to.deep.equal([
      'Accepted',
      'Accepted',
      'Accepted',
      'NoMatchingParent',
      'NoMatchingParent',
      'NotAllowedByListeners',
    ]);
  });

  it('are counted once by a listener, and only where they are accepted', () => {
    const both = route('both', [{ name: 'g' }, { name: 'g', sectionName: 'a' }]);
    const none = route('none', [{ name: 'g' }], { hostnames: ['c.example'] });
    const bad = route('bad', [{ name: 'g' }], { rules: [{ filters: [{ type: 'ExtensionRef' }] }] });
    const of = [web, both, none, bad];
    expect(statusOf(of, 'Gateway', 'g').listeners.map(({ attachedRoutes }) => attachedRoutes)).to.deep.equal([1, 1, 0]);
    expect(statusOf(of, 'HTTPRoute', 'none').parents.map(accepted)).to.deep.equal(['NoMatchingListenerHostname']);
    expect(statusOf(of, 'HTTPRoute', 'bad').parents.map(accepted)).to.deep.equal(['UnsupportedValue']);
  });

  it('of HTTP and gRPC share no hostname of a listener: the older has it', () => {
    const http = route('h', [{ name: 'g' }], {}, '2026-01-02T00:00:00Z');
    const grpc = { ...route('r', [{ name: 'g', sectionName: 'a' }], {}, '2026-01-01T00:00:00Z'), kind: 'GRPCRoute' };
    expect(statusOf([web, http, grpc], 'GRPCRoute', 'r').parents.map(accepted)).to.deep.equal(['Accepted']);
    expect(statusOf([web, http, grpc], 'HTTPRoute', 'h').parents.map(accepted)).to.deep.equal(['Accepted']); // at b
    expect(
      statusOf([web, http, grpc], 'Gateway', 'g').listeners.map(({ attachedRoutes }) => attachedRoutes),
    ).to.deep.equal([1, 1, 0]);
  });

  it('from elsewhere attach only where they may', () => {
    const from = (namespaces: object): string => {
      const open = gateway('g', [listener('a', 80, 'HTTP', { allowedRoutes: { namespaces } })]);
      const made = route('r', [{ name: 'g', namespace: 'default' }]);
      const there = { ...made, metadata: { ...made.metadata, namespace: 'there' } };
      return accepted(statusOf([open, there], 'HTTPRoute', 'r').parents[0]!);
    };
    const selector = { matchLabels: { 'kubernetes.io/metadata.name': 'there' } };
    expect([from({}), from({ from: 'All' }), from({ from: 'Selector', selector })]).to.deep.equal([
      'NotAllowedByListeners',
      'Accepted',
      'Accepted',
    ]);
  });
});
