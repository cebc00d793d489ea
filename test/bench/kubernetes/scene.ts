/** What the cluster of the benchmark holds: services with their slices, and a Gateway with routes to all of them. */
import { CONTROLLER_NAME, GATEWAY_NAME_LABEL, PROXY_LABELS } from '../../../controlplane/kubernetes/api/names.ts';
import { typeUrlOf } from '../../../config/wire-kinds.ts';
import type { Api } from './api.ts';

export interface Size {
  readonly services: number;
  /** Of each service, in one slice. */
  readonly endpoints: number;
  /** Each with a hostname of its own, and its share of the services as backends. */
  readonly routes: number;
}

const NAMESPACE = 'default';
const GATEWAY = 'web';
const PORT = 80;
/** In addresses, what those that were replaced have over the others. */
const CHANGED = 128;
const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1';
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

/** What a proxy of the Gateway says that it is. */
export const LABELS = { [GATEWAY_NAME_LABEL]: GATEWAY, [PROXY_LABELS.namespace]: NAMESPACE };

/** What it takes, each as a whole. */
export const TYPE_URLS = (['Cluster', 'ClusterLoadAssignment', 'Listener', 'RuleList', 'Rule', 'Route'] as const).map(
  typeUrlOf,
);

/**
 * How many resources all of it comes to: a cluster and its endpoints for each service; for each route itself and its rule, and of
 * its hostname the list of rules and the rule that leads to it; the listener, and the lists of its port and of all hostnames with the
 * rule between them.
 */
export function resourcesOf({ services, routes }: Size): number {
  return 2 * services + 4 * routes + 4;
}

export async function fill(api: Api, { services, endpoints, routes }: Size): Promise<void> {
  const numbers = Array.from({ length: services }, (_, index) => index);
  await api.create(numbers.map((index) => [`/api/v1/namespaces/${NAMESPACE}/services`, serviceOf(index)] as const));
  await api.create(numbers.map((index) => [SLICES, sliceOf(index, endpoints)] as const));
  const metadata = { name: GATEWAY, namespace: NAMESPACE };
  const listeners = [{ name: 'http', port: PORT, protocol: 'HTTP' }];
  await api.create([
    [
      `${GATEWAY_API}/gatewayclasses`,
      of('GatewayClass', { metadata: { name: 'l7mp' }, spec: { controllerName: CONTROLLER_NAME } }),
    ],
    [
      `${GATEWAY_API}/namespaces/${NAMESPACE}/gateways`,
      of('Gateway', { metadata, spec: { gatewayClassName: 'l7mp', listeners } }),
    ],
  ]);
  const each = Math.ceil(services / routes);
  await api.create(
    Array.from({ length: routes }, (_, index) => {
      const backends = numbers
        .slice(index * each, (index + 1) * each)
        .map((number) => ({ name: nameOf(number), port: PORT }));
      const spec = {
        parentRefs: [{ name: GATEWAY }],
        hostnames: [`route-${index}.example`],
        rules: [{ backendRefs: backends }],
      };
      const route = of('HTTPRoute', { metadata: { name: `route-${index}`, namespace: NAMESPACE }, spec });
      return [`${GATEWAY_API}/namespaces/${NAMESPACE}/httproutes`, route] as const;
    }),
  );
}

/** Has the first endpoints of a service replaced: `addressOfChange(revision)` is the very first from then on. */
export async function replaceEndpoints(
  api: Api,
  { endpoints }: Size,
  service: number,
  revision: number,
  count: number,
): Promise<void> {
  const addresses = Array.from({ length: endpoints }, (_, index) =>
    index < count ? addressOf(CHANGED + index, revision) : addressOf(index, service),
  );
  await api.patch(`${SLICES}/${nameOf(service)}`, { endpoints: addresses.map(endpointOf) });
}

/** No two changes have the same. */
export function addressOfChange(revision: number): string {
  return addressOf(CHANGED, revision);
}

function of(kind: string, content: object): object {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, ...content };
}

function nameOf(service: number): string {
  return `service-${service}`;
}

function serviceOf(index: number): object {
  const metadata = { name: nameOf(index), namespace: NAMESPACE };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: PORT }] },
  };
}

function sliceOf(index: number, endpoints: number): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: nameOf(index), namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': nameOf(index) } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, place) => endpointOf(addressOf(place, index))),
  };
}

function endpointOf(address: string): object {
  return { addresses: [address], conditions: { ready: true, serving: true, terminating: false } };
}

/** As in `10.3.102.201`: the last numbers have three digits, so that none begins another. */
function addressOf(place: number, number: number): string {
  return `10.${place}.${100 + Math.floor(number / 100)}.${100 + (number % 100)}`;
}
