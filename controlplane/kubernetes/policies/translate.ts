/** Policies: what they say for those who translate what they are attached to, and their statuses. */
import type { Policies } from '../api/policies.ts';
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import { readListenerPolicies } from './listener-policies.ts';
import { readTrafficPolicies } from './traffic-policies.ts';

export interface PoliciesTranslation extends Policies {
  readonly statuses: readonly StatusPlan[];
}

export function translatePolicies(reader: KubeReader): PoliciesTranslation {
  const { traffic, statuses: ofTraffic } = readTrafficPolicies(reader);
  const { statuses: ofListeners, ...listeners } = readListenerPolicies(reader);
  return { traffic, ...listeners, statuses: [...ofTraffic, ...ofListeners] };
}
