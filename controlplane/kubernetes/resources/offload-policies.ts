/** OffloadPolicies: which of them counts for an object, and what they come to. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { formatFault } from '../../../common/errors.ts';
import { CONTROLLER_NAME, GROUP } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import type { OffloadPolicy } from '../api/own-kinds.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { type KubeReader, refOf, type StatusPlan } from '../api/reader.ts';
import { condition, type Verdict } from '../api/verdict.ts';
import { faultsOf } from './making.ts';
import type { Plain } from './plain.ts';
import { verdict } from './reasons.ts';

export interface OffloadPolicies {
  /** What the oldest policy of an object says. */
  readonly offloadOf: (object: KubeObject) => Plain | undefined;
  readonly statuses: readonly StatusPlan[];
}

export function readOffloadPolicies(reader: KubeReader): OffloadPolicies {
  const effective = new Map<string, OffloadPolicy>();
  const statuses = sortByAge(reader.list('OffloadPolicy')).map((policy): StatusPlan => {
    const { namespace = '', generation } = policy.metadata;
    const wrong = faultOf(policy);
    const ancestors = (policy.spec?.targetRefs ?? []).map(({ group = GROUP, kind, name }) => {
      const key = `${kind} ${namespace}/${name}`;
      const against = wrong ?? missing(reader, kind, namespace, name) ?? taken(effective.get(key));
      if (against === undefined) effective.set(key, policy);
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

/** What is wrong with it must not be what is wrong with all that it is attached to. */
function faultOf({ spec }: OffloadPolicy): Verdict | undefined {
  if (spec === undefined) return undefined;
  const listener = { spec: { protocol: 'UDP', port: 1 }, rules: [], options: { offload: spec.offload as Json } };
  const faults = faultsOf({ key: { kind: 'Listener', name: 'any' }, labels: {}, spec: listener });
  if (faults.length === 0) return undefined;
  return verdict('Invalid', faults.map((fault) => formatFault({ ...fault, path: pathOf(fault.path) })).join('; '));
}

function pathOf(path: string): string {
  return path.replace(/^options\./u, 'spec.');
}

function missing(
  reader: KubeReader,
  kind: 'VirtualService' | 'Session',
  namespace: string,
  name: string,
): Verdict | undefined {
  if (reader.get(kind, namespace, name) !== undefined) return undefined;
  return { reason: 'TargetNotFound', message: `there is no ${kind} ${namespace}/${name}` };
}

function taken(holder: OffloadPolicy | undefined): Verdict | undefined {
  return holder && verdict('Conflicted', `the OffloadPolicy ${fullName(holder)} is older, and counts`);
}
