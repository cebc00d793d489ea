/** OffloadPolicies: which of them counts for listeners, and their statuses. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { formatFault } from '../../../common/errors.ts';
import { contentFaults } from '../../model/decode-content.ts';
import type { OffloadPolicy } from '../api/own-kinds.ts';
import type { Policies } from '../api/policies.ts';
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import { soundReader } from '../api/sound.ts';
import type { Verdict } from '../api/verdict.ts';
import { attachPolicies } from './attachment.ts';
import { sharedPorts } from './targets.ts';

export interface OffloadPolicies extends Pick<Policies, 'offload'> {
  readonly statuses: readonly StatusPlan[];
}

export function readOffloadPolicies(reader: KubeReader): OffloadPolicies {
  const { at, statuses } = attachPolicies(reader, soundReader(reader).list('OffloadPolicy'), {
    refusal: (policy, target) => faultOf(policy) ?? sharedPorts(reader, policy.metadata.namespace ?? '', target),
  });
  return {
    statuses,
    offload: (targets) => targets.map((target) => at(target)?.spec?.offload).findLast((found) => found !== undefined),
  };
}

/** What is wrong with it must not be what is wrong with all that it is attached to. */
function faultOf({ spec }: OffloadPolicy): Verdict | undefined {
  if (spec === undefined) return undefined;
  const listener = { spec: { protocol: 'UDP', port: 1 }, rules: [], options: { offload: spec.offload as Json } };
  const faults = contentFaults({ key: { kind: 'Listener', name: 'any' }, labels: {}, spec: listener });
  if (faults.length === 0) return undefined;
  const texts = faults.map((fault) => formatFault({ ...fault, path: fault.path.replace(/^options\./u, 'spec.') }));
  return { reason: 'Invalid', message: texts.join('; ') };
}
