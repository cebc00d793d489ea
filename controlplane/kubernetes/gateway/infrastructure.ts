/** What has to be there for a Gateway: who makes workloads and Services reads it here. */
import type { Protocol } from '../api/core-kinds.ts';
import type { GatewayNeeds, NeededPort } from '../api/gateway-needs.ts';
import { groupBy } from '../api/order.ts';
import { allListeners, type GatewayState, isServed } from './state.ts';

export function needsOf(state: GatewayState): GatewayNeeds {
  const { gateway, parameters } = state;
  const { apiVersion, metadata } = gateway;
  const { infrastructure = {}, addresses = [], gatewayClassName: className = '' } = gateway.spec ?? {};
  const served = groupBy(allListeners(state).filter(isServed), ({ spec, protocol }) =>
    [spec.port, protocol?.transport].join('/'),
  );
  const ports = [...served.values()].flatMap(([first]): NeededPort[] =>
    first?.protocol === undefined
      ? []
      : [{ port: first.spec.port, protocol: first.protocol.transport.toUpperCase() as Protocol }],
  );
  return {
    gateway: {
      apiVersion,
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      uid: metadata.uid ?? '',
      className,
    },
    ports: ports.sort((one, other) => one.port - other.port || (one.protocol < other.protocol ? -1 : 1)),
    labels: infrastructure.labels ?? {},
    annotations: infrastructure.annotations ?? {},
    addresses,
    parameters,
  };
}
