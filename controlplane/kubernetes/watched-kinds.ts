/** What is watched of Kubernetes: kinds, and which objects of them. */
import { clusterWide, namespaced, type ResourceType } from './api/addressing.ts';
import { CONFIG_MAP, ENDPOINT_SLICE, MUTATING_WEBHOOK, NAMESPACE, POD, SECRET, SERVICE } from './api/core-types.ts';
import { CONTROL_PLANE, GROUP, MANAGED_BY, MANAGED_BY_LABEL } from './api/names.ts';
import { INFRASTRUCTURE_TYPES } from './infrastructure/kinds.ts';
import { type KindName, trimConfigMap, trimEndpointSlice, trimPod, type WatchedKind } from './runtime/index.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';

/** What the control plane made: of other workloads nothing is of interest. */
const OURS = { labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` };

const CORE: Readonly<Record<string, WatchedKind>> = {
  Service: { type: SERVICE },
  EndpointSlice: { type: ENDPOINT_SLICE, trim: trimEndpointSlice },
  Pod: { type: POD, trim: trimPod },
  Namespace: { type: NAMESPACE },
  Secret: { type: SECRET, fieldSelector: 'type=kubernetes.io/tls' },
  ConfigMap: { type: CONFIG_MAP, trim: trimConfigMap },
};

const INFRASTRUCTURE: Readonly<Record<string, WatchedKind>> = Object.fromEntries(
  INFRASTRUCTURE_TYPES.filter(({ kind }) => !(kind in CORE)).map((each) => [each.kind, { type: each, ...OURS }]),
);

/** Of a definition, which may come and go. */
function custom(group: string, kind: string, plural: string): WatchedKind {
  return { type: { ...namespaced(group, 'v1', kind, plural), custom: true } };
}

const GATEWAY: Readonly<Record<string, WatchedKind>> = {
  GatewayClass: { type: { ...clusterWide(GATEWAY_API, 'v1', 'GatewayClass', 'gatewayclasses'), custom: true } },
  Gateway: custom(GATEWAY_API, 'Gateway', 'gateways'),
  ListenerSet: custom(GATEWAY_API, 'ListenerSet', 'listenersets'),
  HTTPRoute: custom(GATEWAY_API, 'HTTPRoute', 'httproutes'),
  GRPCRoute: custom(GATEWAY_API, 'GRPCRoute', 'grpcroutes'),
  TLSRoute: custom(GATEWAY_API, 'TLSRoute', 'tlsroutes'),
  TCPRoute: custom(GATEWAY_API, 'TCPRoute', 'tcproutes'),
  UDPRoute: custom(GATEWAY_API, 'UDPRoute', 'udproutes'),
  BackendTLSPolicy: custom(GATEWAY_API, 'BackendTLSPolicy', 'backendtlspolicies'),
  ReferenceGrant: custom(GATEWAY_API, 'ReferenceGrant', 'referencegrants'),
};

const OWN: Readonly<Record<string, WatchedKind>> = {
  VirtualService: custom(GROUP, 'VirtualService', 'virtualservices'),
  Target: custom(GROUP, 'Target', 'targets'),
  Route: custom(GROUP, 'Route', 'routes'),
  RuleList: custom(GROUP, 'RuleList', 'rulelists'),
  Session: custom(GROUP, 'Session', 'sessions'),
  OffloadPolicy: custom(GROUP, 'OffloadPolicy', 'offloadpolicies'),
  TelemetryPolicy: custom(GROUP, 'TelemetryPolicy', 'telemetrypolicies'),
  TrafficPolicy: custom(GROUP, 'TrafficPolicy', 'trafficpolicies'),
  GatewayParameters: custom(GROUP, 'GatewayParameters', 'gatewayparameters'),
};

export const WATCHED_KINDS = new Map(
  Object.entries({ ...CORE, ...INFRASTRUCTURE, ...GATEWAY, ...OWN }) as [KindName, WatchedKind][],
);

/** What asks for sidecars, where there is a webhook for them: this one alone, as rights go no further. */
export const INJECTOR: readonly [KindName, WatchedKind] = [
  'MutatingWebhookConfiguration',
  { type: MUTATING_WEBHOOK, fieldSelector: `metadata.name=${CONTROL_PLANE.injector}` },
];

/** Kinds whose status nobody else writes. */
export const OWN_STATUSES: ReadonlySet<KindName> = new Set([
  ...([
    'VirtualService',
    'Target',
    'Route',
    'RuleList',
    'Session',
    'OffloadPolicy',
    'TelemetryPolicy',
    'TrafficPolicy',
  ] as const),
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
