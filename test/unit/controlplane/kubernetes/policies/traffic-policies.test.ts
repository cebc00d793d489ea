/** TrafficPolicies: which one counts, what clusters of Gateways and of our own kinds have of it, and what its status says. */
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { emptySnapshot } from '../../../../../config/decode.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import type { KubeTranslation } from '../../../../../controlplane/kubernetes/api/reader.ts';
import { translateGateways } from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { translatePolicies } from '../../../../../controlplane/kubernetes/policies/translate.ts';
import { translateResources } from '../../../../../controlplane/kubernetes/resources/translate.ts';
import { checkEnvelope, decodeContent } from '../../../../../controlplane/model/decode-content.ts';
import { kubeReader } from '../../../../support/kube-reader.ts';

/** Both ways to a Service with two ports. */
const WAYS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: l7mp }
spec: { controllerName: l7mp.io/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { gatewayClassName: l7mp, listeners: [{ name: game, port: 7777, protocol: UDP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: game, namespace: default }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: game, port: 7777 }] }] }
---
apiVersion: l7mp.io/v1
kind: VirtualService
metadata: { name: lobby, namespace: default }
spec:
  listener: { spec: { UDP: { port: 7778 } }, rules: [{ action: { route: { destination: 'game:lobby' } } }] }
---
apiVersion: v1
kind: Service
metadata: { name: game, namespace: default }
spec: { ports: [{ name: game, port: 7777, protocol: UDP }, { name: lobby, port: 7778, protocol: UDP }] }
`;

function policy(name: string, day: number, target: object, settings: object): KubeObject {
  return {
    apiVersion: 'l7mp.io/v1',
    kind: 'TrafficPolicy',
    metadata: { name, namespace: 'default', generation: 3, creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { targetRefs: [{ kind: 'Service', name: 'game', ...target }], ...settings },
  };
}

interface Outcome {
  /** What clusters have beside protocol and endpoints, by the port that they are for. */
  readonly settings: Readonly<Record<string, object>>;
  /** As in `old Accepted`, in order. */
  readonly statuses: string[];
}

function translate(...given: KubeObject[]): Outcome {
  const objects = parseAllDocuments(WAYS).map((document) => document.toJS() as KubeObject);
  const reader = kubeReader([...objects, ...given]);
  const policies = translatePolicies(reader);
  const all: KubeTranslation[] = [translateGateways(reader, { policies }), translateResources(reader, { policies })];
  const settings: Record<string, object> = {};
  for (const { content } of all.flatMap((each) => each.objects)) {
    if (content.key.kind !== 'Cluster') continue;
    expect([...checkEnvelope(content), ...decodeContent(content, emptySnapshot()).faults]).to.deep.equal([]);
    const { discovery } = content.spec as { discovery: { service: string } };
    const fields = Object.entries(content.spec ?? {}).filter(([field]) => field !== 'spec' && field !== 'discovery');
    settings[discovery.service.split('/')[3] ?? ''] = Object.fromEntries(fields);
  }
  const statuses = policies.statuses.flatMap((plan) => {
    const { ancestors } = plan.render({ selected: 0, acked: 0, serving: 0, failures: [] }) as {
      ancestors: { conditions: { reason: string; message: string; observedGeneration: number }[] }[];
    };
    return ancestors.map(({ conditions: [condition] }) => {
      expect(condition?.observedGeneration).to.equal(3);
      return `${plan.ref.name} ${condition?.reason}: ${condition?.message}`;
    });
  });
  return { settings, statuses };
}

const IN_TURNS = { loadbalancer: { policy: 'RoundRobin' } };
const BY_CLIENT = { loadbalancer: { policy: 'Maglev', key: '/IP/src_addr' } };

describe('traffic policies', () => {
  it('have endpoints take turns where there is none', () => {
    expect(translate().settings).to.deep.equal({ 7777: IN_TURNS, 7778: IN_TURNS });
  });

  it('count for all ports of a Service, whoever sends there', () => {
    const more = { health_check: { type: 'udp', send: 'ping' }, circuit_breaker: { max_sessions: 9 } };
    const { settings, statuses } = translate(policy('old', 1, {}, { ...BY_CLIENT, ...more, connect_timeout: 500 }));
    const wanted = { ...BY_CLIENT, ...more, connect_timeout: 500 };
    expect(settings).to.deep.equal({ 7777: wanted, 7778: wanted });
    expect(statuses).to.deep.equal(['old Accepted: the policy is in effect']);
  });

  it('keep what is standard where they say nothing of it', () => {
    const { settings } = translate(policy('old', 1, {}, { outlier_detection: {} }));
    expect(settings['7777']).to.deep.equal({ ...IN_TURNS, outlier_detection: {} });
  });

  it('count for a port more than for the whole Service, field by field', () => {
    const { settings } = translate(
      policy('all', 1, {}, { connect_timeout: 500 }),
      policy('lobby', 2, { sectionName: 'lobby' }, BY_CLIENT),
    );
    expect(settings).to.deep.equal({
      7777: { ...IN_TURNS, connect_timeout: 500 },
      7778: { ...BY_CLIENT, connect_timeout: 500 },
    });
  });

  it('yield to the oldest, and say so', () => {
    const { settings, statuses } = translate(
      policy('a-young', 2, {}, { connect_timeout: 500 }),
      policy('old', 1, {}, BY_CLIENT),
    );
    expect(settings['7777']).to.deep.equal(BY_CLIENT);
    expect(statuses).to.deep.equal([
      'old Accepted: the policy is in effect',
      'a-young Conflicted: the TrafficPolicy default/old is older, and counts',
    ]);
  });

  it('harm nobody where they are wrong, and make room for the next', () => {
    const wrong = { loadbalancer: { policy: 'Maglev', key: '/a~b' }, health_check: { interval: 1 } };
    const { settings, statuses } = translate(policy('old', 1, {}, wrong), policy('young', 2, {}, BY_CLIENT));
    expect(settings['7777']).to.deep.equal(BY_CLIENT);
    expect(statuses[0]).to.match(
      /^old Invalid: .*spec\.health_check\.interval: expected .*; .*spec\.loadbalancer\.key: /u,
    );
    expect(statuses[1]).to.match(/^young Accepted/u);
  });

  it('are not accepted in a form that no definition allows', () => {
    const { settings, statuses } = translate(policy('old', 1, {}, { loadbalancer: { policy: 'Best' } }));
    expect(settings['7777']).to.deep.equal(IN_TURNS);
    expect(statuses).to.deep.equal([]);
  });

  it('say which Service or port there is none', () => {
    const { statuses } = translate(
      policy('none', 1, { name: 'shop' }, BY_CLIENT),
      policy('port', 2, { sectionName: 'chat' }, BY_CLIENT),
    );
    expect(statuses).to.deep.equal([
      'none TargetNotFound: there is no Service default/shop',
      'port TargetNotFound: the Service default/game has no port named chat: it has game, lobby',
    ]);
  });
});
