/** Gateway API: what Gateways and routes come to for the proxies, their statuses, and what each Gateway needs to be there. */
import { type KubeReader, type KubeTranslation, type OwnedContent, refOf, type StatusPlan } from '../api/reader.ts';
import { gatewayService, takesIPv6 } from './addresses.ts';
import type { AnyRoute } from '../api/gateway-kinds.ts';
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import { attachRoutes, ROUTE_KINDS } from './attachment.ts';
import { createBackends } from './backends.ts';
import { classStatus, gatewayStatus, listenerSetStatus, refusalOf } from './gateway-status.ts';
import { readClasses, readGateways } from './gateways.ts';
import { readGrants } from '../api/grants.ts';
import { infrastructureOf } from './infrastructure.ts';
import { fullName, sortByName } from '../api/order.ts';
import { type ServiceSettings, withoutPolicies } from '../api/service-settings.ts';
import { type TelemetrySettings, withoutTelemetryPolicies } from '../api/telemetry-settings.ts';
import { createOutput } from './output.ts';
import { policyStatuses } from './policy-status.ts';
import { addPorts } from './ports.ts';
import { hasOurStatus, routeStatus } from './route-status.ts';
import { allListeners } from './state.ts';
import { readTlsPolicies } from './tls-policies.ts';
import { createUsage } from './usage.ts';

export interface GatewayTranslation extends KubeTranslation {
  /** Of each Gateway that is accepted, by name. */
  readonly infrastructure: readonly GatewayNeeds[];
}

export interface GatewayOptions {
  /** What Gateway API's CRDs say of themselves (`gateway.networking.k8s.io/bundle-version`). */
  readonly bundleVersion?: string;
  /** Why what the Gateway `NAMESPACE/NAME` needs could not be made; undefined: it is there, or on its way. */
  readonly infrastructureFault?: (gateway: string) => string | undefined;
  /** What policies say of Services. */
  readonly settingsOf?: ServiceSettings;
  /** What policies say of listeners. */
  readonly telemetryOf?: TelemetrySettings;
}

/** Translates all Gateways of our classes. The same input gives the same, in the same order. */
export function translateGateways(
  reader: KubeReader,
  {
    bundleVersion,
    infrastructureFault,
    settingsOf = withoutPolicies,
    telemetryOf = withoutTelemetryPolicies,
  }: GatewayOptions = {},
): GatewayTranslation {
  const grants = readGrants(reader);
  const policies = readTlsPolicies(reader);
  const backends = createBackends(reader, grants, policies);
  const usage = createUsage();
  const classes = readClasses(reader);
  const gateways = readGateways(reader, grants, classes);
  const routes = attachRoutes(reader, gateways);

  const objects: OwnedContent[] = [];
  const statuses: StatusPlan[] = classes.map((state) => classStatus(state, bundleVersion));
  const infrastructure: GatewayNeeds[] = [];
  const outputs = gateways.map((gateway) => {
    const output = createOutput(gateway.gateway);
    if (refusalOf(gateway) === undefined) {
      const making = { gateway, output, backends, usage, settingsOf, telemetryOf, made: new Map() };
      addPorts(making, allListeners(gateway), takesIPv6(gatewayService(reader, gateway.gateway)));
      infrastructure.push(infrastructureOf(gateway));
    }
    objects.push(...output.objects());
    statuses.push(gatewayStatus(reader, gateway, output, infrastructureFault?.(fullName(gateway.gateway))));
    statuses.push(...gateway.sets.map((set) => listenerSetStatus(gateway, set, output)));
    return output;
  });
  for (const state of routes) {
    const ids = outputs.flatMap((output) => output.idsOf(state.route));
    statuses.push(routeStatus(state, backends, ids));
  }
  const attached = new Set(routes.map(({ route }) => route));
  for (const route of sortByName(ROUTE_KINDS.flatMap((kind): AnyRoute[] => [...reader.list(kind)]))) {
    // What we said of a route that has left us is taken back.
    if (attached.has(route) || !hasOurStatus(route)) continue;
    statuses.push({ ref: refOf(route), objects: [], render: () => ({ parents: [] }) });
  }
  statuses.push(...policyStatuses(policies, usage));
  return { objects, statuses, infrastructure };
}
