/** Tokens of Kubernetes' service accounts: a pod's is that of a proxy; others have the roles that options or the cluster give them. */
import { matchesName } from '../core/authorization.ts';
import type { GrantedRoles, Identity, ServiceAccountToken } from '../core/identity.ts';

/** Service accounts (`system:serviceaccount:NAMESPACE:NAME`), exact or with `*` at the end, that have roles. */
export interface ServiceAccountRoles {
  readonly admins: readonly string[];
  readonly readers: readonly string[];
}

const NONE: GrantedRoles = { admin: false, reader: false };

/**
 * Who shows a service account's token; `granted`: what the cluster's own rules let it do, where they were asked. A pod may be the node `NAMESPACE/POD` only, with its own labels; it may claim no others.
 */
export function identityOfServiceAccount(
  { user, pod }: ServiceAccountToken,
  roles: ServiceAccountRoles,
  granted = NONE,
): Identity {
  const isAmong = (patterns: readonly string[]): boolean => patterns.some((pattern) => matchesName(pattern, user));
  const admin = granted.admin || isAmong(roles.admins);
  return {
    name: pod === undefined ? user : `${user} in ${pod.namespace}/${pod.name}`,
    admin,
    reader: admin || granted.reader || isAmong(roles.readers),
    ...(granted.wanting !== undefined && { wanting: granted.wanting }),
    nodes: pod === undefined ? [] : [`${pod.namespace}/${pod.name}`],
    labels: { values: new Map(Object.entries(pod?.labels ?? {}).map(([key, value]) => [key, [value]])), only: true },
  };
}
