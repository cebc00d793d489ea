/** What a session's span is called and says, by OpenTelemetry's semantic conventions. */
import type { AttributeValue, Attributes } from '@opentelemetry/api';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { getAt } from '../../common/json-pointer.ts';
import { grpcStatusName } from '../core/grpc-status.ts';
import { METHODS, OTHER_METHOD } from '../core/http-method.ts';
import type { Metadata, SessionView } from '../core/session.ts';

/** `GET users` for HTTP, by method and route; else the listener's name. */
export function spanNameOf({ metadata, listener, route }: SessionView): string {
  const method = getAt(metadata, ['HTTP', 'method']);
  if (typeof method !== 'string') return listener;
  const known = METHODS.includes(method) ? method : 'HTTP';
  return route === undefined ? known : `${known} ${route}`;
}

export function attributesOf(session: SessionView): Attributes {
  const { metadata, listener, destination, counters, kernelTraffic } = session;
  const endpoint = destination?.endpoint;
  const { ingress, egress } = counters;
  return defined({
    ...networkOf(metadata),
    ...httpOf(session),
    ...grpcOf(session),
    'l7mp.session': session.name,
    'l7mp.listener': listener,
    'l7mp.rulelist': session.rulelist,
    'l7mp.rule': session.rule,
    'l7mp.route': session.route,
    'l7mp.cluster': destination?.origin,
    'l7mp.endpoint': endpoint?.name,
    'l7mp.endpoint.address': endpoint?.address,
    'l7mp.endpoint.port': endpoint?.port,
    'l7mp.reason': session.reason,
    'l7mp.retries': session.retries,
    'l7mp.ingress.bytes': ingress.bytes,
    'l7mp.ingress.packets': ingress.packets,
    'l7mp.ingress.dropped': ingress.dropped,
    'l7mp.egress.bytes': egress.bytes,
    'l7mp.egress.packets': egress.packets,
    'l7mp.egress.dropped': egress.dropped,
    'l7mp.kernel.ingress.bytes': kernelTraffic?.ingress.bytes,
    'l7mp.kernel.egress.bytes': kernelTraffic?.egress.bytes,
  });
}

function networkOf(metadata: Metadata): Record<string, Json | undefined> {
  const transport = ['TCP', 'UDP', 'SCTP'].find((name) => metadata[name] !== undefined);
  const port = (end: string): Json | undefined => (transport ? getAt(metadata, [transport, end]) : undefined);
  const server = getAt(metadata, ['IP', 'dst_addr']);
  return {
    'network.transport': transport?.toLowerCase() ?? (metadata['UNIX'] === undefined ? undefined : 'unix'),
    'client.address': getAt(metadata, ['IP', 'src_addr']),
    'client.port': port('src_port'),
    'network.local.address': server,
    'network.local.port': port('dst_port'),
    'server.address': server,
    'server.port': port('dst_port'),
  };
}

function httpOf({ metadata, httpStatus }: SessionView): Record<string, Json | undefined> {
  const method = getAt(metadata, ['HTTP', 'method']);
  if (typeof method !== 'string') return {};
  const known = METHODS.includes(method);
  const host = getAt(metadata, ['HTTP', 'url', 'host']);
  const port = getAt(metadata, ['HTTP', 'url', 'port']);
  return {
    'http.request.method': known ? method : OTHER_METHOD,
    'http.request.method_original': known ? undefined : method,
    'http.response.status_code': httpStatus,
    'url.scheme': getAt(metadata, ['HTTP', 'url', 'scheme']),
    'url.path': getAt(metadata, ['HTTP', 'url', 'path']), // not the query, in which there may be secrets
    'user_agent.original': getAt(metadata, ['HTTP', 'headers', 'user-agent']),
    'network.protocol.name': 'http',
    'network.protocol.version': getAt(metadata, ['HTTP', 'version']),
    // As the client calls it; what stands there otherwise is told as the local address.
    ...(typeof host === 'string' && host !== '' && { 'server.address': host, 'server.port': port }),
  };
}

/** By the conventions for RPC, whose status is a name. */
function grpcOf({ grpcStatus }: SessionView): Record<string, Json | undefined> {
  if (grpcStatus === undefined) return {};
  return { 'rpc.system.name': 'grpc', 'rpc.response.status_code': grpcStatusName(grpcStatus) };
}

/** What there is, and attributes can say. */
function defined(values: Readonly<Record<string, Json | undefined>>): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(values)) {
    const attribute = toAttribute(value);
    if (attribute !== undefined) attributes[name] = attribute;
  }
  return attributes;
}

/** Lists and objects as JSON. */
export function toAttribute(value: Json | undefined): AttributeValue | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : value;
}
