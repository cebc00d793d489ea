/** The kinds of what is made for a Gateway: those to watch for changes by others, with the label `MANAGED_BY_LABEL`. */
import type { ResourceType } from '../api/addressing.ts';

const type = (group: string, version: string, kind: string, plural: string): ResourceType => ({
  ...{ group, version, kind, plural },
  namespaced: true,
});

export const INFRASTRUCTURE_TYPES: readonly ResourceType[] = [
  type('', 'v1', 'ServiceAccount', 'serviceaccounts'),
  type('', 'v1', 'ConfigMap', 'configmaps'),
  type('', 'v1', 'Service', 'services'),
  type('apps', 'v1', 'Deployment', 'deployments'),
  type('apps', 'v1', 'DaemonSet', 'daemonsets'),
  type('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  type('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'),
];

/** @throws RangeError for a kind that is not among them */
export function typeOf(kind: string): ResourceType {
  const found = INFRASTRUCTURE_TYPES.find((each) => each.kind === kind);
  if (!found) throw new RangeError(`expected a kind that is made for Gateways, found ${kind}`);
  return found;
}
