/** Names that several translations use: of what they make, and of labels by which it finds its proxies. */

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

/** What `endpointsName` was made of; undefined for another name. */
export function parseEndpointsName(
  text: string,
): { namespace: string; service: string; port: number; protocol: 'TCP' | 'UDP' | 'SCTP' } | undefined {
  const [, namespace, service, port, protocol] = /^service\/([^/]+)\/([^/]+)\/(\d+)\/(tcp|udp|sctp)$/u.exec(text) ?? [];
  if (namespace === undefined || service === undefined || protocol === undefined) return undefined;
  return { namespace, service, port: Number(port), protocol: protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP' };
}

/** The secret that proxies get for a Secret of Kubernetes. */
export function secretName(namespace: string, name: string): string {
  return `secret/${namespace}/${name}`;
}

/** The Service, and the Deployment or DaemonSet behind it, that are made for a Gateway, in its namespace. */
export function gatewayServiceName(gateway: string): string {
  return `${gateway}-l7mp`;
}
