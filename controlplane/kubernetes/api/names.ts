/** Names that several translations use: of what they make, and of labels by which it finds its proxies. */
import { shortHash } from '../../model/canonical.ts';

/** What writes our statuses, and what classes of gateways name (GatewayClass, `spec.controllerName`). */
export const CONTROLLER_NAME = 'l7mp.io/gateway-controller';

/** The group of our own kinds. */
export const GROUP = 'l7mp.io';

/**
 * Labels that the control plane gives to a proxy by its pod, beside the pod's own: whoever has the pod's credential can't claim
 * others.
 */
export const PROXY_LABELS = {
  namespace: 'l7mp.io/namespace',
  pod: 'l7mp.io/pod',
  node: 'l7mp.io/node',
  serviceAccount: 'l7mp.io/service-account',
} as const;

/** The label of pods, services and deployments that are made for a Gateway; its value is the Gateway's name. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** The load assignment that has the endpoints of a service's port, by the number that the service gives it. */
export function endpointsName(
  namespace: string,
  service: string,
  port: number,
  protocol: 'TCP' | 'UDP' | 'SCTP',
): string {
  return `service/${namespace}/${service}/${port}/${protocol.toLowerCase()}`;
}

/** The secret that proxies get for a Secret of Kubernetes. */
export function secretName(namespace: string, name: string): string {
  return `secret/${namespace}/${name}`;
}

/**
 * The Service, and the Deployment or DaemonSet behind it, that are made for a Gateway, in its namespace: a label of RFC 1035,
 * which not every name of a Gateway is.
 */
export function gatewayServiceName(gateway: string): string {
  return /^[a-z][-a-z0-9]{0,57}$/u.test(gateway) ? `${gateway}-l7mp` : `gateway-${shortHash(gateway)}-l7mp`;
}
