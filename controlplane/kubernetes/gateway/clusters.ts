/** Clusters of some proxies: one for a port of a Service, how it is spoken to, and what policies say, whichever routes lead there. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { endpointsName } from '../api/names.ts';
import type { Backend } from './backends.ts';
import { fullName } from '../api/order.ts';
import type { Making } from './making.ts';
import type { clusterScope } from './policy-scopes.ts';
import type { UsedKeyPair } from './state.ts';

/** Adds the cluster of a backend, and gives its name; `raw` leaves TLS to the client, whose stream passes as it is. */
export function addCluster(
  making: Making,
  to: Backend,
  { settings, parts: ofPolicies }: ReturnType<typeof clusterScope>,
  raw = false,
): string {
  const { owner, output } = making;
  const { service, port, protocol, policy } = to;
  const { namespace = '', name } = service.metadata;
  const transport = port.protocol ?? 'TCP';
  const secure = policy !== undefined && !raw && transport === 'TCP';
  const spoken = `${protocol.name.toLowerCase()}${protocol.version ?? ''}${secure ? '+tls' : ''}`;
  const parts = ['service', namespace, name, String(port.port), transport.toLowerCase(), spoken, ...ofPolicies];
  return output.add('Cluster', owner, parts, () => {
    const { version } = protocol;
    const tls = secure ? { tls: tlsOf(making, policy) } : {};
    const spec =
      secure && protocol.name === 'TCP'
        ? { protocol: 'TLS', ...tls }
        : { protocol: protocol.name, ...(version !== undefined && { version }), ...tls };
    return {
      spec,
      discovery: { service: endpointsName(namespace, name, port.port, transport) },
      ...settings,
    };
  });
}

function tlsOf(making: Making, { policy, authorities, serverName, san }: NonNullable<Backend['policy']>): Json {
  const { owner, output, clientCertificate: shown } = making;
  const ca =
    authorities === undefined
      ? undefined
      : output.add('Secret', owner, ['backendtlspolicy', fullName(policy)], () => ({ ca: authorities }));
  const own = shown && addKeyPair(making, shown);
  return {
    server_name: serverName,
    ...(ca !== undefined && { ca: `secret:${ca}` }),
    ...(own !== undefined && { cert: own, key: own }),
    ...(san.length > 0 && { san }),
  };
}

/** Adds a certificate with its key, and gives what TLS settings call it. */
export function addKeyPair({ owner, output }: Making, { secret, cert, key }: UsedKeyPair): string {
  return `secret:${output.add('Secret', owner, ['secret', fullName(secret)], () => ({ cert, key }))}`;
}
