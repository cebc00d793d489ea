/** TelemetryPolicies: which one counts for an object or a Gateway's port, and what its status says. */
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { emptySnapshot } from '../../../../../config/decode.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { translateGateways } from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { translatePolicies } from '../../../../../controlplane/kubernetes/policies/translate.ts';
import { translateResources } from '../../../../../controlplane/kubernetes/resources/translate.ts';
import { checkEnvelope, decodeContent } from '../../../../../controlplane/model/decode-content.ts';
import { kubeReader } from '../../../../support/kube-reader.ts';

const OBJECTS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: l7mp }
spec: { controllerName: l7mp.io/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: l7mp
  listeners: [{ name: a, port: 80, protocol: HTTP, hostname: a.test }, { name: b, port: 80, protocol: HTTP }, { name: c, port: 81, protocol: HTTP }]
---
apiVersion: l7mp.io/v1
kind: VirtualService
metadata: { name: lobby, namespace: default }
spec: { listener: { spec: { UDP: { port: 7778 } }, rules: [], options: { track: 1, telemetry: { access_log: none } } } }
`;

const GATEWAY = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' };
const SERVICE = { kind: 'VirtualService', name: 'lobby' };

function policy(name: string, day: number, target: object, telemetry: unknown = { access_log: 'failed' }): KubeObject {
  return {
    apiVersion: 'l7mp.io/v1',
    kind: 'TelemetryPolicy',
    metadata: { name, namespace: 'default', generation: 3, creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { targetRefs: [target], telemetry },
  };
}

/** What listeners have, by their last part; and reasons, as in `old Accepted`. */
function translate(...those: KubeObject[]): { telemetry: Record<string, unknown>; statuses: string[] } {
  const reader = kubeReader([...parseAllDocuments(OBJECTS).map((document) => document.toJS() as KubeObject), ...those]);
  const policies = translatePolicies(reader);
  const objects = [translateGateways(reader, { policies }), translateResources(reader, { policies })];
  const telemetry: Record<string, unknown> = {};
  for (const { content } of objects.flatMap((each) => each.objects)) {
    if (content.key.kind !== 'Listener') continue;
    expect([...checkEnvelope(content), ...decodeContent(content, emptySnapshot()).faults]).to.deep.equal([]);
    const { options } = content.spec as { options?: { telemetry?: unknown } };
    telemetry[content.key.name.split('/').slice(2).join('/') || 'lobby'] = options?.telemetry;
  }
  const shown = policies.statuses.map((plan) => {
    const { ancestors } = plan.render({} as never) as unknown as { ancestors: { conditions: { reason: string }[] }[] };
    return `${plan.ref.name} ${ancestors.map(({ conditions }) => conditions[0]?.reason).join(' ')}`;
  });
  return { telemetry, statuses: shown };
}

describe('TelemetryPolicies', () => {
  it('take the place of what a listener says itself, and leave its other options', () => {
    const { telemetry, statuses } = translate(policy('one', 1, SERVICE));
    expect(telemetry['lobby']).to.deep.equal({ access_log: 'failed' });
    expect(statuses).to.deep.equal(['one Accepted']);
    expect(translate().telemetry['lobby']).to.deep.equal({ access_log: 'none' });
  });

  it('hold for all ports of a Gateway, and one that names a listener counts more there', () => {
    const sectioned = policy('c', 2, { ...GATEWAY, sectionName: 'c' }, { tracing: { percent: 5 } });
    const { telemetry, statuses } = translate(policy('all', 1, GATEWAY), sectioned);
    const ports = Object.entries(telemetry).filter(([name]) => name !== 'lobby');
    expect(Object.fromEntries(ports.map(([name, value]) => [name.split('/').at(-2), value]))).to.deep.equal({
      '80': { access_log: 'failed' },
      '81': { tracing: { percent: 5 } },
    });
    expect(statuses).to.deep.equal(['all Accepted', 'c Accepted']);
  });

  it('of two for one object, the older counts, and one of a listener that shares its port is none for that port', () => {
    expect(translate(policy('young', 2, SERVICE), policy('old', 1, SERVICE)).statuses).to.deep.equal([
      'old Accepted',
      'young Conflicted',
    ]);
    expect(translate(policy('a', 1, { ...GATEWAY, sectionName: 'a' })).statuses).to.deep.equal(['a Invalid']);
  });

  it('say what they name that is not there, and are refused for what is wrong in them, alone', () => {
    const gone = policy('gone', 1, { kind: 'Session', name: 'none' });
    const section = policy('section', 1, { ...GATEWAY, sectionName: 'z' });
    const wrong = policy('wrong', 1, SERVICE, { access_log: { percent: 200 } });
    const { telemetry, statuses } = translate(gone, section, wrong);
    expect(statuses).to.deep.equal(['gone TargetNotFound', 'section TargetNotFound', 'wrong Invalid']);
    expect(telemetry['lobby']).to.deep.equal({ access_log: 'none' });
  });
});
