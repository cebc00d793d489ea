/** Statuses of BackendTLSPolicies: for each Gateway, or Service with routes, that sends to a Service of theirs. */
import type { Service } from '../api/core-kinds.ts';
import type { BackendTLSPolicy, Gateway } from '../api/gateway-kinds.ts';
import { CONTROLLER_NAME } from '../api/names.ts';
import { refOf, type StatusPlan } from '../api/reader.ts';
import { CORE_GROUP, GATEWAY_GROUP } from './group.ts';
import { sortByName } from '../api/order.ts';
import type { TlsPolicies } from './tls-policies.ts';
import type { Usage } from './usage.ts';
import { condition } from '../api/verdict.ts';

/** The most that the API takes. */
const MAX_ANCESTORS = 16;

export function policyStatuses({ all }: TlsPolicies, usage: Usage): StatusPlan[] {
  return all.map(({ policy, refused, conflict, unresolved }) => {
    const { generation } = policy.metadata;
    const conditions = [
      condition('Accepted', generation, conflict ?? refused, {
        reason: 'Accepted',
        message: 'the policy is in effect',
      }),
      condition('ResolvedRefs', generation, unresolved, {
        reason: 'ResolvedRefs',
        message: 'all that the policy refers to is there',
      }),
    ];
    const ancestors = ancestorsOf(policy, usage).map(({ kind, metadata }) => ({
      ancestorRef: {
        ...{ group: kind === 'Service' ? CORE_GROUP : GATEWAY_GROUP, kind },
        ...{ namespace: metadata.namespace ?? '', name: metadata.name },
      },
      controllerName: CONTROLLER_NAME,
      conditions,
    }));
    return { ref: refOf(policy), objects: [], render: () => ({ ancestors }) };
  });
}

function ancestorsOf({ metadata, spec }: BackendTLSPolicy, usage: Usage): (Gateway | Service)[] {
  const services = (spec?.targetRefs ?? []).filter(({ group, kind }) => group === CORE_GROUP && kind === 'Service');
  const users = services.flatMap(({ name }) => usage.of(`${metadata.namespace ?? ''}/${name}`));
  return sortByName(new Set(users)).slice(0, MAX_ANCESTORS);
}
