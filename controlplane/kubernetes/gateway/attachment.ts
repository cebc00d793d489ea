/** Which routes attach to which listeners, and why others do not. */
import type { AnyRoute, ParentReference, RouteKind } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import { GATEWAY_GROUP } from './group.ts';
import { intersect, intersections } from './hostnames.ts';
import { allowsNamespace } from './namespaces.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { unsupportedOf } from './route-faults.ts';
import { isServiceParent, type ServiceParents } from './service-parents.ts';
import type { GatewayState, ListenerState } from './state.ts';
import type { Verdict } from '../api/verdict.ts';

/** A parentRef of a route that names one of our Gateways, a ListenerSet of one, or a Service. */
export interface ParentState {
  readonly ref: ParentReference;
  /** Why it is not accepted. */
  readonly refused?: Verdict;
}

export interface RouteState {
  readonly route: AnyRoute;
  readonly parents: readonly ParentState[];
}

const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const;

interface Parent {
  readonly gateway: GatewayState;
  /** Absent: a ListenerSet that is not attached itself. */
  readonly listeners?: readonly ListenerState[];
}

/** Routes of all kinds, the oldest first. */
export function readRoutes(reader: KubeReader): AnyRoute[] {
  return sortByAge(ROUTE_KINDS.flatMap((kind): AnyRoute[] => [...reader.list(kind)]));
}

/** Of all routes those that have parents of ours; Gateways that they attach to know of them from then on. */
export function attachRoutes(
  reader: KubeReader,
  routes: readonly AnyRoute[],
  gateways: readonly GatewayState[],
  services: ServiceParents,
): RouteState[] {
  const parents = new Map<string, Parent>();
  for (const gateway of gateways) {
    parents.set(`Gateway ${fullName(gateway.gateway)}`, { gateway, listeners: gateway.listeners });
    for (const { set, refused, listeners } of gateway.sets) {
      parents.set(`ListenerSet ${fullName(set)}`, { gateway, ...(refused === undefined && { listeners }) });
    }
  }
  return routes.flatMap((route) => {
    const states = (route.spec?.parentRefs ?? []).flatMap((ref): ParentState[] => {
      const parent = parents.get(keyOf(route, ref));
      if (parent === undefined && !isServiceParent(ref)) return [];
      const refused = parent === undefined ? services.refusal(route, ref) : attach(reader, route, ref, parent);
      return [{ ref, ...(refused && { refused }) }];
    });
    return states.length === 0 ? [] : [{ route, parents: states }];
  });
}

function keyOf({ metadata }: AnyRoute, ref: ParentReference): string {
  const { group = GATEWAY_GROUP, kind = 'Gateway', namespace = metadata.namespace ?? '', name } = ref;
  return group === GATEWAY_GROUP ? `${kind} ${namespace}/${name}` : '';
}

/** Attaches a route to all listeners of a parent that it may attach to; a verdict where there are none. */
function attach(reader: KubeReader, route: AnyRoute, ref: ParentReference, parent: Parent): Verdict | undefined {
  const { sectionName, port, kind = 'Gateway', name } = ref;
  if (parent.listeners === undefined) {
    return { reason: 'NoMatchingParent', message: `ListenerSet ${name} is not accepted by its Gateway` };
  }
  const named = parent.listeners.filter(
    ({ spec }) =>
      (sectionName === undefined || spec.name === sectionName) && (port === undefined || spec.port === port),
  );
  if (named.length === 0) {
    const wanted = [sectionName !== undefined && `name ${sectionName}`, port !== undefined && `port ${port}`];
    const message = [`${kind} ${name} has no listener`, wanted.filter(Boolean).join(' and ')]
      .filter(Boolean)
      .join(' of ');
    return { reason: 'NoMatchingParent', message };
  }
  const allowed = named.filter((listener) => isAllowed(reader, route, listener));
  if (allowed.length === 0) {
    const message = `no listener of ${kind} ${name} takes ${route.kind}s of namespace ${route.metadata.namespace ?? ''}`;
    return { reason: 'NotAllowedByListeners', message };
  }
  const hostnames = hostnamesOf(route);
  const found = allowed
    .map((listener) => ({ listener, hostnames: intersections(listener.hostname, hostnames) }))
    .filter((one) => one.hostnames.length > 0);
  if (found.length === 0) {
    const message = `no listener of ${kind} ${name} has a hostname of ${(hostnames ?? []).join(', ')}`;
    return { reason: 'NoMatchingListenerHostname', message };
  }
  const { faults, all } = unsupportedOf(route);
  if (all) return faults;
  const free = found.filter((one) => rival(route, one.listener, one.hostnames) === undefined);
  for (const { listener, hostnames: names } of free) {
    // Two parentRefs may lead to one listener: it is attached once. Routes come one after another.
    if (listener.attached.at(-1)?.route === route) continue;
    listener.attached.push({ route, hostnames: names });
    listener.attachedKinds.add(route.kind);
  }
  const [first] = found;
  if (free.length > 0 || first === undefined) return undefined;
  const older = rival(route, first.listener, first.hostnames);
  const message = `${older?.kind ?? ''} ${older === undefined ? '' : fullName(older)} is older, and has a hostname of the same listener`;
  return { reason: 'NotAllowedByListeners', message };
}

function isAllowed(reader: KubeReader, route: AnyRoute, { kinds, spec, owner }: ListenerState): boolean {
  const from = spec.allowedRoutes?.namespaces ?? {};
  const [home, namespace] = [owner.metadata.namespace ?? '', route.metadata.namespace ?? ''];
  return kinds.includes(route.kind as RouteKind) && allowsNamespace(reader, from, 'Same', home, namespace);
}

function hostnamesOf({ spec }: AnyRoute): readonly string[] | undefined {
  return spec !== undefined && 'hostnames' in spec ? spec.hostnames : undefined;
}

/** HTTPRoutes and GRPCRoutes share no hostname of a listener: the older one has it (GEP-1016). */
function rival(route: AnyRoute, listener: ListenerState, hostnames: readonly string[]): AnyRoute | undefined {
  const other = route.kind === 'HTTPRoute' ? 'GRPCRoute' : 'HTTPRoute';
  if (route.kind !== 'HTTPRoute' && route.kind !== 'GRPCRoute') return undefined;
  if (!listener.attachedKinds.has(other)) return undefined;
  return listener.attached.find(
    (attached) =>
      attached.route.kind === other &&
      attached.hostnames.some((one) => hostnames.some((name) => intersect(one, name) !== undefined)),
  )?.route;
}
