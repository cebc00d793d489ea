/** Names that several translations use: of what they make, and of labels by which it finds its proxies. */
import { createHash } from 'node:crypto';

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

/** The label of pods with a sidecar that captures; its value is what: `all`, `inbound` or `outbound`. */
export const CAPTURED_LABEL = 'l7mp.io/captured';
/** The values with which it has what programs send. */
export const CAPTURES_OUTBOUND = ['all', 'outbound'] as const;

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

/** What pods of proxies need to reach the control plane: the chart, gateways and sidecars agree on it. */
export const CONTROL_PLANE = {
  /** The Service of the control plane, in its namespace. */
  service: 'l7mp-controlplane',
  port: 1235,
  /** Of service account tokens: the API server takes others for its own. */
  audience: 'l7mp',
  /** The ConfigMap, in each namespace with proxies, that has the authorities of the control plane's certificate; and its key. */
  caConfigMap: 'l7mp-ca',
  caKey: 'ca.crt',
  /** The Secret with its certificate, where it makes one itself. */
  certificateSecret: 'l7mp-controlplane-certificate',
  /** Its ClusterRole: what it makes in other namespaces for itself goes with it. */
  clusterRole: 'l7mp-controlplane',
  /** The MutatingWebhookConfiguration that asks it. */
  injector: 'l7mp-injector',
} as const;

/** `l7mp-controlplane.NAMESPACE:1235`: as pods of any namespace resolve it. */
export function controlPlaneAddress(namespace: string): string {
  return `${CONTROL_PLANE.service}.${namespace}:${CONTROL_PLANE.port}`;
}

/** What all that the control plane makes carries, so that it is found again: `MANAGED_BY_LABEL: MANAGED_BY`. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = 'l7mp';

/** A name of a Service (RFC 1035 label). */
const MAX_LABEL = 63;

/**
 * What is made for a Gateway is called so, its Service among others: `GATEWAY-CLASS` (GEP-1762), with a hash where that can't be the
 * name of a Service.
 */
export function gatewayWorkloadName(gateway: string, className: string): string {
  const plain = `${gateway}-${className}`;
  if (/^[a-z][a-z0-9-]*$/u.test(plain) && plain.length <= MAX_LABEL) return plain;
  const hash = createHash('sha256').update(`${gateway}/${className}`).digest('hex').slice(0, 8);
  const start = plain.replace(/^(?=[^a-z])/u, 'gw-').replaceAll('.', '-');
  return `${start.slice(0, MAX_LABEL - hash.length - 1).replace(/-+$/u, '')}-${hash}`;
}
