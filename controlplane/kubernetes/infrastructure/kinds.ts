/** The kinds of what is made for a Gateway: those to watch for changes by others, with the label `MANAGED_BY_LABEL`. */
import type { ResourceType } from '../api/addressing.ts';
import {
  AUTOSCALER,
  CONFIG_MAP,
  DAEMON_SET,
  DEPLOYMENT,
  DISRUPTION_BUDGET,
  SERVICE,
  SERVICE_ACCOUNT,
} from '../api/core-types.ts';

export const INFRASTRUCTURE_TYPES: readonly ResourceType[] = [
  ...[SERVICE_ACCOUNT, CONFIG_MAP, SERVICE],
  ...[DEPLOYMENT, DAEMON_SET, DISRUPTION_BUDGET, AUTOSCALER],
];

/** @throws RangeError for a kind that is not among them */
export function typeOf(kind: string): ResourceType {
  const found = INFRASTRUCTURE_TYPES.find((each) => each.kind === kind);
  if (!found) throw new RangeError(`expected a kind that is made for Gateways, found ${kind}`);
  return found;
}
