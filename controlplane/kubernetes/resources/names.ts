/** What names in custom resources lead to: the one order in which Targets, VirtualServices and Services are looked for. */
import { formatFault } from '../../../common/errors.ts';
import type { Service } from '../api/core-kinds.ts';
import { GROUP } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import { fullName } from '../api/order.ts';
import type { VirtualService } from '../api/own-kinds.ts';
import type { Context, Place, Shared } from './context.ts';
import { endpointsSelected } from './endpoints.ts';
import { specTowards } from './linked.ts';
import { contentOfPart, faultsOf, type Part } from './making.ts';
import { verdict } from './reasons.ts';
import { parseReference, type Reference } from './references.ts';
import { clusterOfService } from './services.ts';
import { refused, selectionOf } from './selectors.ts';

type Found =
  | { readonly kind: 'Target' | 'Route' | 'RuleList'; readonly object: KubeObject }
  | { readonly kind: 'VirtualService'; readonly object: VirtualService }
  | { readonly kind: 'Service'; readonly object: Service };

const CLUSTERS = ['Target', 'VirtualService', 'Service'] as const;

/** The name of the cluster that a destination or stage leads to; the object's fault, where there is none. */
export function resolveCluster(place: Place, text: string, path: string): string {
  const reference = parse(place, text, path);
  if (reference === undefined) return text;
  const kinds = reference.port === undefined ? CLUSTERS : (['Service'] as const);
  const found = find(place, kinds, reference, `${path}: "${text}"`);
  if (found === undefined) return text;
  const { context, making, uses } = place;
  const cluster = clusterOf(context, found, reference);
  if (typeof cluster === 'string') {
    uses.add(`Cluster/${cluster}`);
    return cluster;
  }
  const { part, fault } = cluster;
  if (part === undefined) {
    making.faults.push({ ...fault, message: `${path}: ${fault.message}` });
    return text;
  }
  uses.add(part.id);
  return part.name;
}

/** The name that a Target's has, whatever is in it; or what is made of the others. */
function clusterOf(context: Context, { kind, object }: Found, { port }: Reference): string | Shared {
  switch (kind) {
    case 'VirtualService':
      return memoized(context.shared, `Cluster/${fullName(object)}`, () => towards(context, object));
    case 'Service':
      return ofService(context, object, port);
    default:
      return fullName(object);
  }
}

/** The name of a Route or RuleList. */
export function resolveObject(place: Place, kind: 'Route' | 'RuleList', text: string, path: string): string {
  const reference = parse(place, text, path);
  if (reference === undefined) return text;
  const found = find(place, [kind], reference, `${path}: "${text}"`);
  if (found === undefined) return text;
  place.uses.add(`${kind}/${fullName(found.object)}`);
  return fullName(found.object);
}

function parse({ making }: Place, text: string, path: string): Reference | undefined {
  const reference = parseReference(text, making.home);
  if (reference === undefined) {
    const expected = 'a name, as in name, namespace/name or name:port';
    making.faults.push(verdict('Invalid', `${path}: expected ${expected}, found "${text}"`));
  }
  return reference;
}

/** The first that has the name. Who may not name it is not told whether it is there. */
function find(
  { context: { reader, grants }, making }: Place,
  kinds: readonly Found['kind'][],
  { namespace, name }: Reference,
  what: string,
): Found | undefined {
  const from = { group: GROUP, kind: making.object.kind, namespace: making.home };
  const allowed = kinds.filter((kind) => grants(from, { group: groupOf(kind), kind, namespace, name }));
  for (const kind of kinds) {
    const object = reader.get(kind, namespace, name);
    if (object === undefined) continue;
    if (!allowed.includes(kind)) break;
    return { kind, object } as Found;
  }
  if (allowed.length < kinds.length) {
    making.faults.push(refused(reader, `${what}: ${kinds.join(', ')} ${namespace}/${name}`, namespace, from));
  } else {
    const words = kinds.length === 1 ? kinds[0] : `${kinds.slice(0, -1).join(', ')} or ${kinds.at(-1) ?? ''}`;
    making.faults.push(verdict('RefNotFound', `${what}: there is no ${words} ${namespace}/${name}`));
  }
  return undefined;
}

function groupOf(kind: Found['kind']): string {
  return kind === 'Service' ? '' : GROUP;
}

function ofService({ shared, policies }: Context, service: Service, port: string | undefined): Shared {
  const derived = clusterOfService(service, port, policies);
  if (derived.spec === undefined) return { fault: derived.fault };
  const { name, spec } = derived;
  const id = `Cluster/${name}`;
  return memoized(shared, id, () => ({ part: { id, kind: 'Cluster', name, owner: service, spec, uses: new Set() } }));
}

/** The cluster of a VirtualService that no Target has the name of, and its endpoints. */
function towards(context: Context, service: VirtualService): Shared {
  const { spec, fault } = specTowards(service);
  if (spec === undefined) return { fault };
  const name = fullName(service);
  const selection = selectionOf(context, service, service.spec?.selector);
  const assignment: Part = {
    id: `ClusterLoadAssignment/${name}`,
    kind: 'ClusterLoadAssignment',
    name,
    owner: service,
    spec: { endpoints: endpointsSelected(context, selection) },
    uses: new Set(),
  };
  context.shared.set(assignment.id, { part: assignment });
  const part: Part = {
    id: `Cluster/${name}`,
    kind: 'Cluster',
    name,
    owner: service,
    spec: { spec, loadbalancer: { policy: 'RoundRobin' }, discovery: { service: name } },
    uses: new Set([assignment.id]),
  };
  const [wrong] = faultsOf(contentOfPart(part));
  if (wrong === undefined) return { part };
  return { fault: verdict('RefNotAccepted', `VirtualService ${name}: a cluster's ${formatFault(wrong)}`) };
}

function memoized(shared: Map<string, Shared>, key: string, make: () => Shared): Shared {
  let found = shared.get(key);
  if (found === undefined) {
    found = make();
    shared.set(key, found);
  }
  return found;
}
