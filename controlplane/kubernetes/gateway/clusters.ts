/** Clusters of a Gateway: one for a port of a Service, how it is spoken to, and what policies say, whichever routes lead there. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { endpointsName } from '../api/names.ts';
import type { Backend } from './backends.ts';
import { fullName } from '../api/order.ts';
import type { Output } from './output.ts';
import type { clusterScope } from './policy-scopes.ts';
import type { GatewayState, UsedKeyPair } from './state.ts';

/** Adds the cluster of a backend, and gives its name; `raw` leaves TLS to the client, whose stream passes as it is. */
export function addCluster(
  output: Output,
  { gateway, clientCertificate }: GatewayState,
  to: Backend,
  { settings, parts: ofPolicies }: ReturnType<typeof clusterScope>,
  raw = false,
): string {
  const { service, port, protocol, policy } = to;
  const { namespace = '', name } = service.metadata;
  const transport = port.protocol ?? 'TCP';
  const secure = policy !== undefined && !raw && transport === 'TCP';
  const spoken = `${protocol.name.toLowerCase()}${protocol.version ?? ''}${secure ? '+tls' : ''}`;
  const parts = ['service', namespace, name, String(port.port), transport.toLowerCase(), spoken, ...ofPolicies];
  return output.add('Cluster', gateway, parts, () => {
    const { version } = protocol;
    const tls = secure ? { tls: tlsOf(output, gateway, clientCertificate, policy) } : {};
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

function tlsOf(
  output: Output,
  gateway: GatewayState['gateway'],
  shown: UsedKeyPair | undefined,
  { policy, authorities, serverName, san }: NonNullable<Backend['policy']>,
): Json {
  const ca =
    authorities === undefined
      ? undefined
      : output.add('Secret', gateway, ['backendtlspolicy', fullName(policy)], () => ({ ca: authorities }));
  const own = shown && addKeyPair(output, gateway, shown);
  return {
    server_name: serverName,
    ...(ca !== undefined && { ca: `secret:${ca}` }),
    ...(own !== undefined && { cert: own, key: own }),
    ...(san.length > 0 && { san }),
  };
}

/** Adds a certificate with its key, and gives what TLS settings call it. */
export function addKeyPair(
  output: Output,
  gateway: GatewayState['gateway'],
  { secret, cert, key }: UsedKeyPair,
): string {
  return `secret:${output.add('Secret', gateway, ['secret', fullName(secret)], () => ({ cert, key }))}`;
}
