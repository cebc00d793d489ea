/** The way to a VirtualService, derived from it: what its listener speaks, at the pods that it selects. */
import type { VirtualService } from '../api/own-kinds.ts';
import { fullName } from '../api/order.ts';
import type { Verdict } from '../api/verdict.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { flatSpec, portOf, protocolOf } from './specs.ts';
import { verdict } from './reasons.ts';

/** The spec of a cluster that a VirtualService's listener understands, or why there is none. */
export function specTowards(
  service: VirtualService,
): { readonly spec: Plain; readonly fault?: undefined } | { readonly spec?: undefined; readonly fault: Verdict } {
  const raw = service.spec?.listener.spec;
  const spec = isJsonObject(raw) ? towards(flatSpec('ListenerSpec', raw)) : 'its listener has no spec';
  if (typeof spec !== 'string') return { spec };
  const message = `VirtualService ${fullName(service)}: ${spec}: name a Target instead`;
  return { fault: verdict('UnsupportedProtocol', message) };
}

function towards(listener: Plain): Plain | string {
  const protocol = protocolOf('ListenerSpec', listener['protocol']);
  const { transport_spec: transport = listener['transport'], tls, path, version, proxy_protocol: header } = listener;
  if (protocol === 'JSONSocket') {
    const inner = isJsonObject(transport) ? towards(transport) : 'its JSONSocket has no transport';
    return typeof inner === 'string' ? inner : { protocol, transport_spec: inner };
  }
  const port = portOf(listener['port']);
  if (protocol === undefined || !REACHABLE.has(protocol))
    return `other hosts can't reach a listener of ${protocol ?? 'no protocol'}`;
  if (port === undefined) return 'its listener has no fixed port';
  if (header === 'required' && protocol !== 'TCP' && protocol !== 'TLS') {
    return `its listener wants a PROXY protocol header, which clusters of ${protocol} don't send`;
  }
  return {
    protocol,
    port,
    ...((protocol === 'TLS' || isJsonObject(tls)) && { tls: {} }),
    ...(protocol === 'WebSocket' && path !== undefined && { path }),
    ...(protocol === 'HTTP' && version !== undefined && { version }),
    ...(header === 'required' && { proxy_protocol: 'v2' }),
  };
}

const REACHABLE: ReadonlySet<string> = new Set(['UDP', 'TCP', 'TLS', 'HTTP', 'WebSocket', 'SCTP']);
