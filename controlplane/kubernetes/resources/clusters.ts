/** Clusters of Targets, and those that are written where a name may stand. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Place } from './context.ts';
import { endpointsOf } from './endpoints.ts';
import { addPart } from './making.ts';
import { persistenceIn } from './persistence.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { flatSpec, keyOf } from './specs.ts';
import { verdict } from './reasons.ts';
import { withSecrets } from './secrets.ts';

/** A cluster as files have it. Endpoints that are pods go beside it, in a load assignment of its name: it does not change with them. */
export function clusterIn(place: Place, name: string, raw: Plain, path: string): Plain {
  const { context, making, uses } = place;
  const { spec: rawSpec, endpoints = [], ...others } = raw;
  // By the name of a load assignment, endpoints of other namespaces would be had without a grant.
  if (others['discovery'] !== undefined) {
    const message = `${path}.discovery: expected none, found one: endpoints are addresses or selected, or a Service is named`;
    making.faults.push(verdict('Invalid', message));
  }
  const spec = isJsonObject(rawSpec) ? withSecrets(place, flatSpec('ClusterSpec', rawSpec), `${path}.spec`) : rawSpec;
  const cluster = { ...others, ...persistenceIn(place, raw, path), ...(spec !== undefined && { spec }) };
  if (!Array.isArray(endpoints)) return { ...cluster, endpoints };
  if (!isJsonObject(spec)) return { ...cluster, ...(endpoints.length > 0 && { endpoints }) };
  const found = endpointsOf(context, making, spec, endpoints, `${path}.endpoints`);
  if (!endpoints.some(selects)) return { ...cluster, ...(found.length > 0 && { endpoints: found }) };
  const prefix = (field: string): string => `${path}.${field}`;
  addPart(making, 'ClusterLoadAssignment', name, { endpoints: found }, new Set(), prefix);
  uses.add(`ClusterLoadAssignment/${name}`);
  return { ...cluster, discovery: { service: name } };
}

/** Whether endpoints are to be looked for: then the cluster can't stand in the object that has it. */
export function isSelective({ endpoints }: Plain): boolean {
  return Array.isArray(endpoints) && endpoints.some(selects);
}

function selects(endpoint: Json): boolean {
  return isJsonObject(endpoint) && endpoint['selector'] !== undefined;
}

/** Where a field of a listener or cluster is in a custom resource: settings may stand below their protocol. */
export function pathsIn(
  name: 'ListenerSpec' | 'ClusterSpec',
  { spec }: { readonly spec?: unknown },
  path: string,
): (field: string) => string {
  const key = isJsonObject(spec) ? keyOf(name, spec) : undefined;
  return (field) => {
    const below = key !== undefined && field.startsWith('spec.') ? `spec.${key}.${field.slice('spec.'.length)}` : field;
    return below === '' ? path : path === '' ? below : `${path}.${below}`;
  };
}
