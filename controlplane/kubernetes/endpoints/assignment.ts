/** The endpoints of a service's port, out of its slices. Pure: equal input gives equal bytes. */
import { formatAddress } from '../../../common/format-address.ts';
import type { ObjectContent } from '../../model/object.ts';
import type { EndpointSlice, Protocol, Service, ServicePort, SliceEndpoint } from '../api/core-kinds.ts';
import { endpointsName } from '../api/names.ts';

/** A port of a service, by the number that the service gives it. */
export interface ServicePortRef {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly protocol: Protocol;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/** What may be sent to an endpoint, the better the larger. */
const USE = { none: 0, whileTerminating: 1, ready: 2 } as const;
type Use = (typeof USE)[keyof typeof USE];

interface Found extends Place {
  readonly use: Use;
}

/**
 * The load assignment `endpointsName(...)` with the endpoints that are ready; where none is, with those that still serve while they
 * terminate (KEP-1669). A service or a port that doesn't exist has no endpoints. An ExternalName service has one: the DNS name, at the
 * service's port.
 *
 * Of a service with both families, the endpoints of the one that it prefers are taken, and only where that has none, those of the
 * other. kube-proxy, too, sends what comes to an address of the service to endpoints of the same family only (KEP-563), and by its
 * name clients come to the preferred one; a pod that has both addresses stands in both families, and would be taken twice.
 *
 * @param slices of the service: others are not looked for in them
 */
export function assignmentOf(
  { namespace, service: name, port, protocol }: ServicePortRef,
  service: Service | undefined,
  slices: Iterable<EndpointSlice>,
): ObjectContent {
  return {
    key: { kind: 'ClusterLoadAssignment', name: endpointsName(namespace, name, port, protocol) },
    labels: {},
    spec: { endpoints: placesOf(service, port, protocol, slices).map(endpointOf) },
  };
}

function placesOf(
  service: Service | undefined,
  port: number,
  protocol: Protocol,
  slices: Iterable<EndpointSlice>,
): readonly Place[] {
  if (!service) return [];
  const { type, externalName, ports = [], ipFamilies = [] } = service.spec ?? {};
  // Its ports are optional: there is nobody who would translate them.
  if (type === 'ExternalName') return externalName ? [{ address: externalName, port }] : [];
  const servicePort = ports.find((each) => each.port === port && (each.protocol ?? 'TCP') === protocol);
  if (!servicePort) return [];
  const families = new Map<string, Map<string, Found>>();
  for (const slice of slices) {
    const { addressType, endpoints } = slice;
    const targetPort = targetPortOf(slice, servicePort);
    if (targetPort === undefined) continue;
    let places = families.get(addressType);
    if (!places) families.set(addressType, (places = new Map<string, Found>()));
    for (const endpoint of endpoints ?? []) {
      // All addresses of one are the same one.
      const [address] = endpoint.addresses;
      const use = useOf(endpoint);
      if (address === undefined || use === USE.none) continue;
      const key = formatAddress(address, targetPort);
      // While an endpoint moves from one slice to another, it stands in both.
      if ((places.get(key)?.use ?? USE.none) < use) places.set(key, { address, port: targetPort, use });
    }
  }
  return bestOf(families, ipFamilies[0]);
}

const NONE: ReadonlyMap<string, Found> = new Map();

function bestOf(
  families: ReadonlyMap<string, ReadonlyMap<string, Found>>,
  preferred: string | undefined,
): readonly Place[] {
  const order = [...new Set([...(preferred === undefined ? [] : [preferred]), 'IPv4', 'IPv6', 'FQDN'])];
  for (const use of [USE.ready, USE.whileTerminating]) {
    for (const family of order) {
      const places = Array.from(families.get(family) ?? NONE)
        .filter(([, place]) => place.use === use)
        .sort(([one], [other]) => (one < other ? -1 : 1));
      if (places.length > 0) return places.map(([, place]) => place);
    }
  }
  return [];
}

/** The port has the service port's name in slices, and the number that the pods gave it. */
function targetPortOf(
  { ports }: EndpointSlice,
  { name = '', protocol = 'TCP', port, targetPort }: ServicePort,
): number | undefined {
  const found = ports?.find((each) => (each.name ?? '') === name && (each.protocol ?? 'TCP') === protocol);
  if (!found) return undefined;
  // One without a number stands for all ports.
  return found.port ?? (typeof targetPort === 'number' ? targetPort : port);
}

/** What isn't said is as if it were ready, as it serves if it is ready (discovery.k8s.io/v1, EndpointConditions). */
function useOf({ conditions = {} }: SliceEndpoint): Use {
  const { ready = true, serving = ready, terminating = false } = conditions;
  if (ready) return USE.ready;
  return serving && terminating ? USE.whileTerminating : USE.none;
}

function endpointOf({ address, port }: Place): { name: string; spec: { address: string; port: number } } {
  return { name: formatAddress(address, port), spec: { address, port } };
}
