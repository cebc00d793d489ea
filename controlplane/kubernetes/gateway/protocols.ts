/** The protocols that listeners and services name, and what our proxies make of them. */
import type { ServicePort } from '../api/core-kinds.ts';
import type { RouteKind } from '../api/gateway-kinds.ts';
import { OWN_PROTOCOLS } from './group.ts';

export type Transport = 'tcp' | 'udp' | 'sctp';

export interface ListenerProtocol {
  /** The proxy's protocol. */
  readonly name: 'HTTP' | 'TLS' | 'TCP' | 'UDP' | 'WebSocket' | 'SCTP';
  readonly transport: Transport;
  /** What may attach. */
  readonly kinds: readonly RouteKind[];
  /** Whether several listeners share a port, each with the hostnames of its own. */
  readonly byHostname: boolean;
  readonly tls: 'never' | 'always' | 'optional';
}

const HTTP_KINDS = ['HTTPRoute', 'GRPCRoute'] as const;
/** Of protocols that Gateway API has no word for: both kinds say where sessions go, and no more. */
const STREAM_KINDS = ['TCPRoute', 'UDPRoute'] as const;

/** By what Gateways call them. */
export const LISTENER_PROTOCOLS: ReadonlyMap<string, ListenerProtocol> = new Map([
  ['HTTP', { name: 'HTTP', transport: 'tcp', kinds: HTTP_KINDS, byHostname: true, tls: 'never' }],
  ['HTTPS', { name: 'HTTP', transport: 'tcp', kinds: HTTP_KINDS, byHostname: true, tls: 'always' }],
  ['TLS', { name: 'TLS', transport: 'tcp', kinds: ['TLSRoute'], byHostname: true, tls: 'always' }],
  ['TCP', { name: 'TCP', transport: 'tcp', kinds: ['TCPRoute'], byHostname: false, tls: 'never' }],
  ['UDP', { name: 'UDP', transport: 'udp', kinds: ['UDPRoute'], byHostname: false, tls: 'never' }],
  [
    `${OWN_PROTOCOLS}WebSocket`,
    { name: 'WebSocket', transport: 'tcp', kinds: STREAM_KINDS, byHostname: false, tls: 'optional' },
  ],
  [`${OWN_PROTOCOLS}SCTP`, { name: 'SCTP', transport: 'sctp', kinds: STREAM_KINDS, byHostname: false, tls: 'never' }],
]);

/** How a backend is spoken to. */
export interface BackendProtocol {
  readonly name: 'HTTP' | 'TCP' | 'UDP' | 'WebSocket' | 'SCTP';
  readonly version?: '2';
  /** Only with TLS: who the server should be is to be said by a BackendTLSPolicy. */
  readonly secure?: boolean;
}

const HTTP = { name: 'HTTP' } as const;
const HTTP2 = { name: 'HTTP', version: '2' } as const;
const TCP = { name: 'TCP' } as const;
const UDP = { name: 'UDP' } as const;
const WEBSOCKET = { name: 'WebSocket' } as const;
const SCTP = { name: 'SCTP' } as const;

/** What `appProtocol` says where it is one of ours: the same for routes of every kind. */
const OWN: ReadonlyMap<string, BackendProtocol> = new Map<string, BackendProtocol>([
  ['tcp', TCP],
  ['tls', { ...TCP, secure: true }],
  ['udp', UDP],
  ['http', HTTP],
  ['https', { ...HTTP, secure: true }],
  ['websocket', WEBSOCKET],
  ['websocketsecure', { ...WEBSOCKET, secure: true }],
  ['sctp', SCTP],
]);

type Known = 'http' | 'https' | 'h2c' | 'ws' | 'wss';

/** Kubernetes' names (KEP-3726), and those that are in use without a prefix. */
const STANDARD: ReadonlyMap<string, Known> = new Map<string, Known>([
  ['http', 'http'],
  ['https', 'https'],
  ['kubernetes.io/h2c', 'h2c'],
  ['h2c', 'h2c'],
  ['grpc', 'h2c'],
  ['kubernetes.io/ws', 'ws'],
  ['ws', 'ws'],
  ['kubernetes.io/wss', 'wss'],
  ['wss', 'wss'],
]);

/** For routes of a kind: what a port without a word of its own speaks, and what the standard names mean to them. */
const BY_KIND: Readonly<
  Record<RouteKind, Partial<Record<Known, BackendProtocol>> & { readonly otherwise: BackendProtocol }>
> = {
  // A client that asks for WebSocket does so in HTTP, and the request goes on as it is.
  HTTPRoute: {
    otherwise: HTTP,
    http: HTTP,
    https: { ...HTTP, secure: true },
    h2c: HTTP2,
    ws: HTTP,
    wss: { ...HTTP, secure: true },
  },
  GRPCRoute: { otherwise: HTTP2, http: HTTP2, https: { ...HTTP2, secure: true }, h2c: HTTP2 },
  // What passes is the client's own business, whatever it speaks.
  TLSRoute: { otherwise: TCP, http: TCP, https: TCP, h2c: TCP, ws: TCP, wss: TCP },
  TCPRoute: { otherwise: TCP, http: TCP, https: TCP, h2c: TCP, ws: TCP, wss: TCP },
  // Datagrams can't pass as they are: each is a message.
  UDPRoute: { otherwise: UDP, ws: WEBSOCKET, wss: { ...WEBSOCKET, secure: true } },
};

const PORT_PROTOCOL = { TCP, UDP, SCTP };

/**
 * How a port of a Service is spoken to by routes of a kind, and which of those with the same number that is: the one of the
 * route's own transport, or else one that says what is spoken over it. A text says why there is none.
 */
export function backendProtocol(
  kind: RouteKind,
  ports: readonly ServicePort[],
): { readonly port: ServicePort; readonly protocol: BackendProtocol } | string {
  const native = kind === 'UDPRoute' ? 'UDP' : 'TCP';
  const port = ports.find(({ protocol = 'TCP' }) => protocol === native) ?? ports[0];
  if (port === undefined) return 'it has no such port';
  const { appProtocol = '', protocol: transport = 'TCP' } = port;
  const name = appProtocol.toLowerCase();
  if (name.startsWith(OWN_PROTOCOLS)) {
    const own = OWN.get(name.slice(OWN_PROTOCOLS.length));
    return own === undefined ? `its appProtocol ${appProtocol} is unknown` : fitting(port, own);
  }
  const known = STANDARD.get(name);
  const protocol = known === undefined ? undefined : BY_KIND[kind][known];
  if (protocol !== undefined && transport === 'TCP') return fitting(port, protocol);
  if (known !== undefined) return `its appProtocol ${appProtocol} is nothing for ${kind}s`;
  if (transport === native) return fitting(port, BY_KIND[kind].otherwise);
  return `the port is ${transport}: its appProtocol must say what is spoken there, as in ${OWN_PROTOCOLS}${PORT_PROTOCOL[transport].name}`;
}

function fitting(
  port: ServicePort,
  protocol: BackendProtocol,
): { port: ServicePort; protocol: BackendProtocol } | string {
  const { protocol: transport = 'TCP', appProtocol = '' } = port;
  const wanted = protocol.name === 'UDP' || protocol.name === 'SCTP' ? protocol.name : 'TCP';
  return wanted === transport ? { port, protocol } : `its appProtocol ${appProtocol} is not for a port of ${transport}`;
}
