/** Services of Kubernetes as clusters: which port is meant, and what it speaks. */
import type { Service, ServicePort } from '../api/core-kinds.ts';
import { endpointsName } from '../api/names.ts';
import { fullName } from '../api/order.ts';
import type { Policies } from '../api/policies.ts';
import { serviceSettings } from '../api/service-settings.ts';
import type { Verdict } from '../api/verdict.ts';
import type { Plain } from '../api/plain.ts';
import { verdict } from './reasons.ts';

/** A cluster that is derived, with its name; or why there is none. */
export type Derived =
  | { readonly name: string; readonly spec: Plain; readonly fault?: undefined }
  | { readonly spec?: undefined; readonly fault: Verdict };

/** The cluster of a Service's port, the same for all who name it. `wanted`: its number or name. */
export function clusterOfService(service: Service, wanted: string | undefined, policies: Policies): Derived {
  const found = portOfService(service, wanted);
  if ('fault' in found) return { fault: found.fault };
  const { port, protocol = 'TCP' } = found;
  const spec = protocolSpec(found);
  if (typeof spec === 'string') {
    return { fault: verdict('UnsupportedProtocol', `Service ${fullName(service)}: port ${port}: ${spec}`) };
  }
  const { namespace = '', name } = service.metadata;
  const assignment = endpointsName(namespace, name, port, protocol);
  return {
    name: assignment,
    spec: { spec, ...serviceSettings(policies, service, found), discovery: { service: assignment } },
  };
}

function portOfService(service: Service, wanted: string | undefined): ServicePort | { readonly fault: Verdict } {
  const { type, ports = [] } = service.spec ?? {};
  const who = `Service ${fullName(service)}`;
  const known = ports.map(({ port, name }) => name ?? String(port)).join(', ');
  const fitting =
    wanted === undefined ? ports : ports.filter(({ port, name }) => name === wanted || String(port) === wanted);
  const [only, another] = fitting;
  if (only === undefined) {
    // Who has a DNS name elsewhere need not say its ports.
    const number = Number(wanted);
    if (type === 'ExternalName' && ports.length === 0 && number > 0 && number < 65_536) return { port: number };
    if (wanted === undefined)
      return { fault: verdict('PortRequired', `${who} has no ports: name one, as in NAME:PORT`) };
    return { fault: verdict('RefNotFound', `${who} has no port ${wanted}${known === '' ? '' : `: it has ${known}`}`) };
  }
  if (another === undefined) return only;
  const message = `${who} has several ports that may be meant: name one, as in NAME:PORT, of ${known}`;
  return { fault: verdict('PortRequired', message) };
}

const TLS = { tls: {} };
const HTTP = { protocol: 'HTTP' };
const WEBSOCKET = { protocol: 'WebSocket' };

/** By `appProtocol`: Kubernetes' names (KEP-3726), those that are in use without a prefix, and ours. */
const SPECS: ReadonlyMap<string, Plain> = new Map<string, Plain>([
  ['http', HTTP],
  ['https', { ...HTTP, ...TLS }],
  ['kubernetes.io/h2c', { ...HTTP, version: '2' }],
  ['h2c', { ...HTTP, version: '2' }],
  ['grpc', { ...HTTP, version: '2' }],
  ['kubernetes.io/ws', WEBSOCKET],
  ['ws', WEBSOCKET],
  ['kubernetes.io/wss', { ...WEBSOCKET, ...TLS }],
  ['wss', { ...WEBSOCKET, ...TLS }],
  ['tls', { protocol: 'TLS' }],
  ['l7mp.io/tcp', { protocol: 'TCP' }],
  ['l7mp.io/tls', { protocol: 'TLS' }],
  ['l7mp.io/http', HTTP],
  ['l7mp.io/https', { ...HTTP, ...TLS }],
  ['l7mp.io/websocket', WEBSOCKET],
  ['l7mp.io/websocketsecure', { ...WEBSOCKET, ...TLS }],
  ['l7mp.io/udp', { protocol: 'UDP' }],
  ['l7mp.io/sctp', { protocol: 'SCTP' }],
]);

/** How a port is spoken to, or why it can't be. What we don't know (`mysql`) is the port's own protocol. */
function protocolSpec({ appProtocol = '', protocol = 'TCP' }: ServicePort): Plain | string {
  const name = appProtocol.toLowerCase();
  const spec = SPECS.get(name);
  if (spec === undefined) {
    if (name.startsWith('l7mp.io/')) return `its appProtocol ${appProtocol} is unknown`;
    return { protocol };
  }
  const wanted = spec['protocol'] === 'UDP' || spec['protocol'] === 'SCTP' ? spec['protocol'] : 'TCP';
  return wanted === protocol ? spec : `its appProtocol ${appProtocol} is not for a port of ${protocol}`;
}
