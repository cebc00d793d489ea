/** OffloadPolicies: which of them counts for an object, and what they come to. */
import { CONTROLLER_NAME, GROUP } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import type { OffloadPolicy } from '../api/own-kinds.ts';
import { byAge, fullName } from '../api/order.ts';
import { type KubeReader, refOf, type StatusPlan } from '../api/reader.ts';
import { condition, type Verdict } from '../api/verdict.ts';
import type { Plain } from './plain.ts';
import { verdict } from './reasons.ts';

export interface OffloadPolicies {
  /** What the oldest policy of an object says. */
  readonly offloadOf: (object: KubeObject) => Plain | undefined;
  readonly statuses: readonly StatusPlan[];
}

export function readOffloadPolicies(reader: KubeReader): OffloadPolicies {
  const effective = new Map<string, OffloadPolicy>();
  const statuses = [...reader.list('OffloadPolicy')].sort(byAge).map((policy): StatusPlan => {
    const { namespace = '', generation } = policy.metadata;
    const ancestors = (policy.spec?.targetRefs ?? []).map(({ group = GROUP, kind, name }) => {
      const key = `${kind} ${namespace}/${name}`;
      const there = reader.get(kind, namespace, name);
      const holder = effective.get(key);
      if (there !== undefined && holder === undefined) effective.set(key, policy);
      const against =
        there === undefined ? missing(kind, namespace, name) : holder && holder !== policy ? taken(holder) : undefined;
      return {
        ancestorRef: { group, kind, namespace, name },
        controllerName: CONTROLLER_NAME,
        conditions: [
          condition('Accepted', generation, against, { reason: 'Accepted', message: 'the policy is in effect' }),
        ],
      };
    });
    return { ref: refOf(policy), objects: [], render: () => ({ ancestors }) };
  });
  return {
    offloadOf: (object) => effective.get(`${object.kind} ${fullName(object)}`)?.spec?.offload,
    statuses,
  };
}

function missing(kind: string, namespace: string, name: string): Verdict {
  return { reason: 'TargetNotFound', message: `there is no ${kind} ${namespace}/${name}` };
}

function taken(holder: OffloadPolicy): Verdict {
  return verdict('Conflicted', `the OffloadPolicy ${fullName(holder)} is older, and counts`);
}
