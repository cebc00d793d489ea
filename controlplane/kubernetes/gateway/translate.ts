/** Gateway API: what Gateways, Services and routes come to for the proxies, their statuses, and what each Gateway needs to be there. */
import { type KubeReader, type KubeTranslation, type OwnedContent, refOf, type StatusPlan } from '../api/reader.ts';
import { gatewayService, takesIPv6 } from './addresses.ts';
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import { attachRoutes, readRoutes } from './attachment.ts';
import { createBackends } from './backends.ts';
import { classStatus, gatewayStatus, listenerSetStatus, refusalOf } from './gateway-status.ts';
import { readClasses, readGateways } from './gateways.ts';
import { readGrants } from '../api/grants.ts';
import { infrastructureOf } from './infrastructure.ts';
import { fullName, sortByName } from '../api/order.ts';
import { type Policies, withoutPolicies } from '../api/policies.ts';
import { gatewayOutput } from './output.ts';
import { gatewayScope } from './policy-scopes.ts';
import { policyStatuses } from './policy-status.ts';
import { addPorts } from './ports.ts';
import { hasOurStatus, routeStatus } from './route-status.ts';
import { readServiceParents } from './service-parents.ts';
import { addServicePorts } from './service-ports.ts';
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
  /** Why pods of the Gateway don't come or don't start. */
  readonly podTroubles?: (gateway: string) => string | undefined;
  readonly policies?: Policies;
}

/** Translates all Gateways of our classes, and all routes of Services. The same input gives the same, in the same order. */
export function translateGateways(
  reader: KubeReader,
  { bundleVersion, infrastructureFault, podTroubles, policies = withoutPolicies }: GatewayOptions = {},
): GatewayTranslation {
  const grants = readGrants(reader);
  const tlsPolicies = readTlsPolicies(reader);
  const backends = {
    gateway: createBackends(reader, grants, tlsPolicies),
    // What programs could reach by themselves, routes may lead them to (GEP-1294).
    service: createBackends(reader, () => true, tlsPolicies),
  };
  const usage = createUsage();
  const classes = readClasses(reader);
  const gateways = readGateways(reader, grants, classes);
  const all = readRoutes(reader);
  const services = readServiceParents(reader, all);
  const routes = attachRoutes(reader, all, gateways, services);

  const objects: OwnedContent[] = [];
  const statuses: StatusPlan[] = classes.map((state) => classStatus(state, bundleVersion));
  const infrastructure: GatewayNeeds[] = [];
  const outputs = gateways.map((gateway) => {
    const output = gatewayOutput(gateway.gateway);
    if (refusalOf(gateway) === undefined) {
      const { gateway: owner, clientCertificate } = gateway;
      const making = {
        ...{ owner, clientCertificate, output, usage, policies },
        ...{ backends: backends.gateway, scope: gatewayScope(gateway), made: new Map() },
      };
      addPorts(making, allListeners(gateway), takesIPv6(gatewayService(reader, gateway.gateway)));
      infrastructure.push(infrastructureOf(gateway));
    }
    objects.push(...output.objects());
    const name = fullName(gateway.gateway);
    const infra = { fault: infrastructureFault?.(name), troubles: podTroubles?.(name) };
    statuses.push(gatewayStatus(reader, gateway, output, infra));
    statuses.push(...gateway.sets.map((set) => listenerSetStatus(gateway, set, output)));
    return output;
  });
  const mesh = addServicePorts(services, { backends: backends.service, usage, policies });
  objects.push(...mesh.outputs.flatMap((output) => output.objects()));
  outputs.push(...mesh.outputs);
  for (const state of routes) {
    const ids = outputs.flatMap((output) => output.idsOf(state.route));
    statuses.push(routeStatus(state, backends, [...ids, ...mesh.listenersOf(state.route)]));
  }
  const attached = new Set(routes.map(({ route }) => route));
  for (const route of sortByName(all)) {
    // What we said of a route that has left us is taken back.
    if (attached.has(route) || !hasOurStatus(route)) continue;
    statuses.push({ ref: refOf(route), objects: [], render: () => ({ parents: [] }) });
  }
  statuses.push(...policyStatuses(tlsPolicies, usage));
  return { objects, statuses, infrastructure };
}
