/** Policy attachment (GEP-713): which policy counts for a target, and what its status says of each of them. */
import { CONTROLLER_NAME } from '../api/names.ts';
import type { Condition, KubeObject } from '../api/object.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { type PolicyTarget, targetKey } from '../api/policies.ts';
import { type KubeReader, refOf, type StatusPlan } from '../api/reader.ts';
import { condition, type Verdict } from '../api/verdict.ts';
import { groupOf, missing, type TargetReference } from './targets.ts';

type Policy = KubeObject<{ readonly targetRefs: readonly TargetReference[] }>;

export interface Attached<P> {
  /** The one of this very target: none of those above it. */
  readonly at: (target: PolicyTarget) => P | undefined;
  readonly statuses: readonly StatusPlan[];
}

export interface Rules<P> {
  /** Why a policy can't be attached to a target that is there. */
  readonly refusal: (policy: P, target: TargetReference) => Verdict | undefined;
  /** Conditions beside `Accepted`, of every target. */
  readonly beside?: (policy: P) => readonly Condition[];
}

/** Of several policies for one target, the oldest has it. One that is refused there makes room for the next. */
export function attachPolicies<P extends Policy>(
  reader: KubeReader,
  policies: Iterable<P>,
  { refusal, beside = () => [] }: Rules<P>,
): Attached<P> {
  const holders = new Map<string, P>();
  const statuses = sortByAge(policies).map((policy): StatusPlan => {
    const { namespace = '', generation } = policy.metadata;
    const others = beside(policy);
    const ancestors = (policy.spec?.targetRefs ?? []).map((target) => {
      const { kind, name, sectionName } = target;
      const key = targetKey({ kind, namespace, name, section: sectionName });
      const against = missing(reader, namespace, target) ?? refusal(policy, target) ?? taken(holders.get(key));
      if (against === undefined) holders.set(key, policy);
      const section = sectionName === undefined ? {} : { sectionName };
      return {
        ancestorRef: { group: groupOf(kind), kind, namespace, name, ...section },
        controllerName: CONTROLLER_NAME,
        conditions: [
          condition('Accepted', generation, against, { reason: 'Accepted', message: 'the policy is in effect' }),
          ...others,
        ],
      };
    });
    return { ref: refOf(policy), objects: [], render: () => ({ ancestors }) };
  });
  return { at: (target) => holders.get(targetKey(target)), statuses };
}

function taken(holder: Policy | undefined): Verdict | undefined {
  return holder && { reason: 'Conflicted', message: `the ${holder.kind} ${fullName(holder)} is older, and counts` };
}
