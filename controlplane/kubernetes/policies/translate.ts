/** Policies: what they say for those who translate what they are attached to, and their statuses. */
import type { Policies } from '../api/policies.ts';
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import { readOffloadPolicies } from './offload-policies.ts';
import { readTrafficPolicies } from './traffic-policies.ts';

export interface PoliciesTranslation extends Policies {
  readonly statuses: readonly StatusPlan[];
}

export function translatePolicies(reader: KubeReader): PoliciesTranslation {
  const { traffic, statuses: ofTraffic } = readTrafficPolicies(reader);
  const { offload, statuses: ofOffload } = readOffloadPolicies(reader);
  return { traffic, offload, statuses: [...ofTraffic, ...ofOffload] };
}
