/**
 * Services as parents of routes (GEP-1294): which of their ports routes have, for which clients, and why others have none.
 *
 * A route in the Service's namespace is its producer's, and for all clients; one of another namespace is a consumer's, and for clients of
 * that namespace, who have nothing of the producer's then. Of several kinds of routes the most specific has a port.
 */
import type { Service, ServicePort } from '../api/core-kinds.ts';
import type { AnyRoute, ParentReference, RouteKind } from '../api/gateway-kinds.ts';
import { fullName } from '../api/order.ts';
import type { KubeReader } from '../api/reader.ts';
import type { Verdict } from '../api/verdict.ts';
import { clusterAddresses } from './addresses.ts';
import { CORE_GROUP } from './group.ts';
import { backendProtocol } from './protocols.ts';
import { unsupportedOf } from './route-faults.ts';

/** A port of a Service, as clients that routes are for see it. */
export interface ServicePortState {
  readonly service: Service;
  readonly port: ServicePort;
  /** The namespace whose clients are meant; absent: all but those that have routes of their own. */
  readonly consumer?: string;
  /** Of all kinds, the oldest first. */
  readonly claimants: AnyRoute[];
}

export interface ServiceParents {
  /** In the order of the routes. */
  readonly ports: readonly ServicePortState[];
  /** The ports that a route has by any of its parents. */
  portsOf(route: AnyRoute): readonly ServicePortState[];
  /** Why a route has nothing of a parent; undefined: it has. */
  refusal(route: AnyRoute, ref: ParentReference): Verdict | undefined;
}

/** The first wins (GEP-1294); UDP has ports of its own. */
const SPECIFICITY: readonly RouteKind[] = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'];

export function isServiceParent({ group, kind }: ParentReference): boolean {
  return group === CORE_GROUP && kind === 'Service';
}

/** The routes that a port is served by: those of the most specific kind. */
export function routesOf({ claimants }: ServicePortState): readonly AnyRoute[] {
  const kind = SPECIFICITY.find((each) => claimants.some((route) => route.kind === each));
  return claimants.filter((route) => route.kind === kind);
}

/** `routes`: all, the oldest first. */
export function readServiceParents(reader: KubeReader, routes: readonly AnyRoute[]): ServiceParents {
  const ports = new Map<string, ServicePortState>();
  const claims = new Map<ParentReference, Verdict | readonly ServicePortState[]>();
  for (const route of routes) {
    for (const ref of route.spec?.parentRefs ?? []) if (isServiceParent(ref)) claims.set(ref, claim(route, ref));
  }
  return {
    ports: [...ports.values()],
    portsOf(route) {
      const found = (route.spec?.parentRefs ?? []).flatMap((ref) => {
        const claimed = claims.get(ref);
        return claimed === undefined || 'reason' in claimed ? [] : claimed;
      });
      return [...new Set(found)].filter((state) => routesOf(state).includes(route));
    },
    refusal(route, ref) {
      const claimed = claims.get(ref);
      if (claimed === undefined || 'reason' in claimed) return claimed;
      if (claimed.some((state) => routesOf(state).includes(route))) return undefined;
      const winners = new Set(claimed.flatMap((state) => routesOf(state).slice(0, 1)));
      const names = Array.from(winners, (winner) => `${winner.kind} ${fullName(winner)}`).join(', ');
      return { reason: 'Conflicted', message: `its ports are served by a more specific kind of route: ${names}` };
    },
  };

  function claim(route: AnyRoute, ref: ParentReference): Verdict | readonly ServicePortState[] {
    const home = route.metadata.namespace ?? '';
    const { namespace = home, name } = ref;
    const service = reader.get('Service', namespace, name);
    if (service === undefined) return none(`Service ${namespace}/${name} does not exist`);
    const found = portsFor(route.kind as RouteKind, service, ref);
    if (typeof found === 'string') return none(`Service ${namespace}/${name} ${found}`);
    const { faults, all } = unsupportedOf(route);
    if (all && faults !== undefined) return faults;
    return found.map((port) => {
      const consumer = namespace === home ? undefined : home;
      const key = [namespace, name, port.port, port.protocol ?? 'TCP', consumer ?? ''].join('/');
      let state = ports.get(key);
      if (state === undefined) {
        ports.set(key, (state = { service, port, claimants: [], ...(consumer !== undefined && { consumer }) }));
      }
      if (!state.claimants.includes(route)) state.claimants.push(route);
      return state;
    });
  }
}

function none(message: string): Verdict {
  return { reason: 'NoMatchingParent', message };
}

/** The ports of a Service that a kind of routes is for, or why there are none. */
function portsFor(kind: RouteKind, service: Service, { port, sectionName }: ParentReference): ServicePort[] | string {
  const { type = 'ClusterIP', clusterIP, ports = [] } = service.spec ?? {};
  if (type === 'ExternalName') return 'is an ExternalName: expected one with an address in the cluster';
  if (clusterIP === 'None') return 'is headless: it has no address that its traffic could be told by';
  if (clusterAddresses(service).length === 0) return 'has no address yet';
  const named = ports.filter(
    (each) => (port === undefined || each.port === port) && (sectionName === undefined || each.name === sectionName),
  );
  if (named.length === 0) {
    const wanted = [port ?? [], sectionName === undefined ? [] : `named ${sectionName}`].flat().join(' ');
    return wanted === '' ? 'has no ports' : `has no port ${wanted}`;
  }
  const fitting = named.filter((each) => isFor(kind, each));
  if (fitting.length > 0) return fitting;
  const found = named.map(({ port: number, protocol = 'TCP', appProtocol = protocol }) => `${number} (${appProtocol})`);
  return `has no port that is for ${kind}s: found ${found.join(', ')}`;
}

/** What clients say there is read by HTTPRoutes and GRPCRoutes: it has to be HTTP, and in the clear. */
function isFor(kind: RouteKind, port: ServicePort): boolean {
  const { protocol = 'TCP' } = port;
  if (kind === 'UDPRoute') return protocol === 'UDP';
  if (protocol !== 'TCP') return false;
  if (kind === 'TCPRoute' || kind === 'TLSRoute') return true;
  const spoken = backendProtocol(kind, [port]);
  return typeof spoken !== 'string' && spoken.protocol.name === 'HTTP' && spoken.protocol.secure !== true;
}
