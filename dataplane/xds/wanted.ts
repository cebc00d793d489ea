/** The resources that the configuration names: load assignments and secrets. */
import { assignmentOf } from '../core/assigned.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { secretsOf } from '../../common/secrets.ts';
import type { ResourceKind } from './types.ts';

export function wantedNames({ clusters, listeners }: ConfigSnapshot): ReadonlyMap<ResourceKind, ReadonlySet<string>> {
  const assignments = new Set<string>();
  const secrets = new Set<string>();
  for (const { value } of clusters.values()) {
    const assignment = assignmentOf(value);
    if (assignment !== undefined) assignments.add(assignment);
  }
  for (const objects of [clusters, listeners]) {
    for (const { value } of objects.values()) for (const name of secretsOf(value.spec)) secrets.add(name);
  }
  return new Map([
    ['ClusterLoadAssignment', assignments],
    ['Secret', secrets],
  ]);
}
