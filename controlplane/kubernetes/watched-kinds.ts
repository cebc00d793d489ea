/** What is watched of Kubernetes: kinds, and which objects of them. */
import { GROUP, MANAGED_BY, MANAGED_BY_LABEL } from './api/names.ts';
import { INFRASTRUCTURE_TYPES } from './infrastructure/kinds.ts';
import type { ResourceType } from './api/addressing.ts';
import type { KindName, WatchedKind } from './runtime/index.ts';
import { trimPod } from './runtime/index.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';

/** What the control plane made: of other workloads nothing is of interest. */
const OURS = { labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` };

type Scope = 'namespaced' | 'cluster';

function type(group: string, version: string, kind: string, plural: string, scope: Scope = 'namespaced'): ResourceType {
  const custom = group === GROUP || group === GATEWAY_API;
  return { group, version, kind, plural, namespaced: scope === 'namespaced', ...(custom && { custom }) };
}

const CORE: Readonly<Record<string, WatchedKind>> = {
  Service: { type: type('', 'v1', 'Service', 'services') },
  EndpointSlice: { type: type('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices') },
  Pod: { type: type('', 'v1', 'Pod', 'pods'), trim: trimPod },
  Namespace: { type: type('', 'v1', 'Namespace', 'namespaces', 'cluster') },
  Secret: { type: type('', 'v1', 'Secret', 'secrets'), fieldSelector: 'type=kubernetes.io/tls' },
  ConfigMap: { type: type('', 'v1', 'ConfigMap', 'configmaps') },
};

const INFRASTRUCTURE: Readonly<Record<string, WatchedKind>> = Object.fromEntries(
  INFRASTRUCTURE_TYPES.filter(({ kind }) => !(kind in CORE)).map((each) => [each.kind, { type: each, ...OURS }]),
);

const GATEWAY: Readonly<Record<string, WatchedKind>> = {
  GatewayClass: { type: type(GATEWAY_API, 'v1', 'GatewayClass', 'gatewayclasses', 'cluster') },
  Gateway: { type: type(GATEWAY_API, 'v1', 'Gateway', 'gateways') },
  ListenerSet: { type: type(GATEWAY_API, 'v1', 'ListenerSet', 'listenersets') },
  HTTPRoute: { type: type(GATEWAY_API, 'v1', 'HTTPRoute', 'httproutes') },
  GRPCRoute: { type: type(GATEWAY_API, 'v1', 'GRPCRoute', 'grpcroutes') },
  TLSRoute: { type: type(GATEWAY_API, 'v1', 'TLSRoute', 'tlsroutes') },
  TCPRoute: { type: type(GATEWAY_API, 'v1', 'TCPRoute', 'tcproutes') },
  UDPRoute: { type: type(GATEWAY_API, 'v1', 'UDPRoute', 'udproutes') },
  BackendTLSPolicy: { type: type(GATEWAY_API, 'v1', 'BackendTLSPolicy', 'backendtlspolicies') },
  ReferenceGrant: { type: type(GATEWAY_API, 'v1', 'ReferenceGrant', 'referencegrants') },
};

const OWN: Readonly<Record<string, WatchedKind>> = {
  VirtualService: { type: type(GROUP, 'v1', 'VirtualService', 'virtualservices') },
  Target: { type: type(GROUP, 'v1', 'Target', 'targets') },
  Route: { type: type(GROUP, 'v1', 'Route', 'routes') },
  RuleList: { type: type(GROUP, 'v1', 'RuleList', 'rulelists') },
  Session: { type: type(GROUP, 'v1', 'Session', 'sessions') },
  OffloadPolicy: { type: type(GROUP, 'v1', 'OffloadPolicy', 'offloadpolicies') },
  TelemetryPolicy: { type: type(GROUP, 'v1', 'TelemetryPolicy', 'telemetrypolicies') },
  TrafficPolicy: { type: type(GROUP, 'v1', 'TrafficPolicy', 'trafficpolicies') },
  GatewayParameters: { type: type(GROUP, 'v1', 'GatewayParameters', 'gatewayparameters') },
};

export const WATCHED_KINDS = new Map(
  Object.entries({ ...CORE, ...INFRASTRUCTURE, ...GATEWAY, ...OWN }) as [KindName, WatchedKind][],
);

/** Kinds whose status nobody else writes. */
export const OWN_STATUSES: ReadonlySet<KindName> = new Set([
  ...(['VirtualService', 'Target', 'Route', 'RuleList', 'Session', 'OffloadPolicy', 'TrafficPolicy'] as const),
]);

/** Whose statuses are written here. */
const WITH_STATUS: readonly KindName[] = [
  ...OWN_STATUSES,
  ...['GatewayClass', 'Gateway', 'ListenerSet', 'BackendTLSPolicy'],
  ...['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'],
] as readonly KindName[];

export const STATUS_TYPES: ReadonlyMap<KindName, ResourceType> = new Map(
  WITH_STATUS.flatMap((kind) => {
    const watched = WATCHED_KINDS.get(kind);
    return watched ? [[kind, watched.type] as const] : [];
  }),
);
