/** What has to be there for a Gateway: who makes workloads and Services reads it here. */
import type { Gateway, GatewayAddress } from '../api/gateway-kinds.ts';
import { groupBy } from './order.ts';
import type { Parameters } from './parameters.ts';
import { allListeners, type GatewayState, isServed } from './state.ts';

export interface GatewayInfrastructure {
  readonly gateway: Gateway;
  /** What its proxies listen on, and its Service has to have, by number. */
  readonly ports: readonly { readonly port: number; readonly protocol: 'TCP' | 'UDP' | 'SCTP' }[];
  /** For all that is made. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Wanted ones; one without a value is any of its type. */
  readonly addresses: readonly GatewayAddress[];
  readonly parameters: Parameters;
}

export function infrastructureOf(state: GatewayState): GatewayInfrastructure {
  const { gateway, parameters } = state;
  const { infrastructure = {}, addresses = [] } = gateway.spec ?? {};
  const served = groupBy(allListeners(state).filter(isServed), ({ spec, protocol }) =>
    [spec.port, protocol?.transport].join('/'),
  );
  const ports = [...served.values()].flatMap(([first]) =>
    first?.protocol === undefined
      ? []
      : [{ port: first.spec.port, protocol: first.protocol.transport.toUpperCase() as 'TCP' | 'UDP' | 'SCTP' }],
  );
  return {
    gateway,
    ports: ports.sort((one, other) => one.port - other.port || (one.protocol < other.protocol ? -1 : 1)),
    labels: infrastructure.labels ?? {},
    annotations: infrastructure.annotations ?? {},
    addresses,
    parameters,
  };
}
