/** What has to be there for a Gateway. */
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import { groupBy } from '../api/order.ts';
import { allListeners, type GatewayState, isServed } from './state.ts';

export function infrastructureOf(state: GatewayState): GatewayNeeds {
  const { gateway, parameters } = state;
  const { infrastructure = {}, addresses = [], gatewayClassName = '' } = gateway.spec ?? {};
  const { namespace = '', name, uid = '' } = gateway.metadata;
  const served = groupBy(allListeners(state).filter(isServed), ({ spec, protocol }) =>
    [spec.port, protocol?.transport].join('/'),
  );
  const ports = [...served.values()].flatMap(([first]) =>
    first?.protocol === undefined
      ? []
      : [{ port: first.spec.port, protocol: first.protocol.transport.toUpperCase() as 'TCP' | 'UDP' | 'SCTP' }],
  );
  return {
    gateway: { apiVersion: gateway.apiVersion, namespace, name, uid, className: gatewayClassName },
    ports: ports.sort((one, other) => one.port - other.port || (one.protocol < other.protocol ? -1 : 1)),
    labels: infrastructure.labels ?? {},
    annotations: infrastructure.annotations ?? {},
    addresses,
    parameters,
  };
}
