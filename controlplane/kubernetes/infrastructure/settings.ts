/** What the control plane that makes gateways is told of its surroundings. Types only. */
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';

export interface InfrastructureSettings {
  /** Where proxies find the control plane, as in `l7mp-controlplane.l7mp-system:1235`. */
  readonly controlPlane: string;
  /** What counts unless GatewayParameters say otherwise; `image` must be there. */
  readonly defaults: GatewayParametersSpec & { readonly image: string };
}
