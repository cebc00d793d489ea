/** Where a rule's sessions go: clusters by weight, and for the share of backends that lead nowhere an answer that says so. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { AnyRoute, BackendReference } from '../api/gateway-kinds.ts';
import type { Referrer } from '../api/grants.ts';
import { addCluster } from './clusters.ts';
import type { RuleMaking } from './making.ts';
import { clusterScope } from './policy-scopes.ts';

/** Which changes a backend makes of its own. */
export type BackendExtras<Ref> = (ref: Ref) => Record<string, Json>;

/**
 * The `destination` or `destinations` of a route; undefined where nothing is left to go to. `failure` is the answer of a
 * share that has no backend, `raw` as in `addCluster`.
 */
export function destinationsOf<Ref extends BackendReference>(
  making: RuleMaking,
  route: AnyRoute,
  refs: readonly Ref[],
  failure: Json,
  extras: BackendExtras<Ref> = () => ({}),
  raw = false,
): Record<string, Json> | undefined {
  const isKept = (ref: Ref): boolean => (ref.weight ?? 1) > 0 || persists(making, route, refs);
  const found = refs.filter(isKept).map((ref) => {
    const cluster = clusterOf(making, route, ref, { raw });
    const weight = ref.weight ?? 1;
    if (cluster === undefined) return { respond: failure, weight };
    return { cluster, weight, ...extras(ref) };
  });
  if (!found.some((entry) => 'cluster' in entry && entry.weight > 0)) return undefined;
  const [first] = found;
  if (found.length === 1 && first !== undefined && 'cluster' in first && Object.keys(first).length === 2) {
    return { destination: first.cluster };
  }
  return { destinations: found };
}

/** Whether clients come back to where they were: then a backend without weight has those that it had. */
function persists(
  { rule, policies, backends }: RuleMaking,
  route: AnyRoute,
  refs: readonly BackendReference[],
): boolean {
  if (rule.fields['persistence'] !== undefined) return true;
  return refs.some((ref) => {
    const { backend } = { backend: undefined, ...backends.resolve(route, ref) };
    if (backend === undefined) return false;
    return clusterScope(policies, rule, backend.service, backend.port).settings['persistence'] !== undefined;
  });
}

/** The mirrors of a rule by policies, as routes have them. */
export function policyMirrors(making: RuleMaking, route: AnyRoute): Json[] {
  return making.rule.mirrors.flatMap(({ backendRef, percent, from }) => {
    const cluster = clusterOf(making, route, backendRef, { from });
    return cluster === undefined ? [] : [{ cluster, percent }];
  });
}

/** `from`: who refers to the backend where that isn't the route; `raw` as in `addCluster`. */
export interface Reference {
  readonly from?: Referrer;
  readonly raw?: boolean;
}

/** The cluster of a backend; undefined where it can't be spoken to. */
export function clusterOf(
  making: RuleMaking,
  route: AnyRoute,
  ref: BackendReference,
  { from, raw = false }: Reference = {},
): string | undefined {
  const { owner, backends, usage, policies, rule } = making;
  const resolved = backends.resolve(route, ref, from);
  const service = resolved.fault === undefined ? resolved.backend.service : resolved.service;
  if (service !== undefined) usage.note(owner, service);
  if (resolved.fault !== undefined) return undefined;
  // Nothing is sent in the clear, or to somebody else, because a policy could not be read (GEP-1897).
  if (!raw && resolved.backend.policy?.refused !== undefined) return undefined;
  const { service: to, port } = resolved.backend;
  return addCluster(making, resolved.backend, clusterScope(policies, rule, to, port), raw);
}
