/** Policies of listeners, OffloadPolicy and TelemetryPolicy: which of a kind counts for which, and their statuses. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { OffloadPolicy, TelemetryPolicy } from '../api/own-kinds.ts';
import type { Policies } from '../api/policies.ts';
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import { soundReader } from '../api/sound.ts';
import { attachPolicies } from './attachment.ts';
import { contentFault } from './content-fault.ts';
import { sharedPorts } from './targets.ts';

export interface ListenerPolicies extends Pick<Policies, 'offload' | 'telemetry'> {
  readonly statuses: readonly StatusPlan[];
}

/** Nothing of a policy is merged with another's: the one that counts says all. */
export function readListenerPolicies(reader: KubeReader): ListenerPolicies {
  const sound = soundReader(reader);
  const offload = read(reader, sound.list('OffloadPolicy'), ({ spec }) => ({ offload: spec?.offload }));
  const telemetry = read(reader, sound.list('TelemetryPolicy'), ({ spec }) => ({ telemetry: spec?.telemetry }));
  return {
    offload: (targets) => offload.counting(targets)?.spec?.offload,
    telemetry: (targets) => telemetry.counting(targets)?.spec?.telemetry,
    statuses: [...offload.statuses, ...telemetry.statuses],
  };
}

type Policy = OffloadPolicy | TelemetryPolicy;

interface Read<P> {
  /** That of the last of these targets that has one. */
  readonly counting: (targets: Parameters<Policies['offload']>[0]) => P | undefined;
  readonly statuses: readonly StatusPlan[];
}

/** `optionsOf`: what listeners have of a policy in their `options`. */
function read<P extends Policy>(reader: KubeReader, policies: Iterable<P>, optionsOf: (policy: P) => object): Read<P> {
  const { at, statuses } = attachPolicies(reader, policies, {
    refusal: (policy, target) =>
      contentFault(policy, (each) => ({ Listener: { options: optionsOf(each) as Json } }), placeOf) ??
      sharedPorts(reader, policy.metadata.namespace ?? '', target),
  });
  return {
    counting: (targets) => targets.map((target) => at(target)).findLast((found) => found !== undefined),
    statuses,
  };
}

function placeOf(path: string): string {
  return path.replace(/^options\./u, 'spec.');
}
