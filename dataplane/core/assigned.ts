/** Clusters whose endpoints the control plane assigns. */
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';

/** The load assignment that a cluster takes its endpoints from; undefined where it has endpoints of its own. */
export function assignmentOf({ name, discovery }: Cluster): string | undefined {
  return discovery && (discovery.service ?? name);
}

/** The cluster with the endpoints that it is assigned: none as long as they are not known. */
export function withAssigned(cluster: Cluster, { handedOut: { assignments } }: ConfigSnapshot): Cluster {
  const name = assignmentOf(cluster);
  const assignment = name === undefined ? undefined : assignments.get(name);
  return assignment ? { ...cluster, endpoints: assignment.endpoints } : cluster;
}
