/** Our own kinds (l7mp.io/v1); what is in them is generated from proto/l7mp/kubernetes/v1. Types only. */
import type {
  OffloadPolicySpec,
  PolicyStatus,
  RouteSpec,
  RuleListSpec,
  SessionSpec,
  SessionStatus,
  Status,
  TargetSpec,
  TelemetryPolicySpec,
  TrafficPolicySpec,
  VirtualServiceSpec,
} from '../../../gen/l7mp/kubernetes/v1/types.ts';
import type { KubeObject } from './object.ts';

export interface OwnKinds {
  readonly VirtualService: VirtualService;
  readonly Target: Target;
  readonly Route: Route;
  readonly RuleList: RuleList;
  readonly Session: Session;
  readonly OffloadPolicy: OffloadPolicy;
  readonly TelemetryPolicy: TelemetryPolicy;
  readonly TrafficPolicy: TrafficPolicy;
}

export type VirtualService = KubeObject<VirtualServiceSpec, Status>;
export type Target = KubeObject<TargetSpec, Status>;
export type Route = KubeObject<RouteSpec, Status>;
export type RuleList = KubeObject<RuleListSpec, Status>;
export type Session = KubeObject<SessionSpec, SessionStatus>;
export type OffloadPolicy = KubeObject<OffloadPolicySpec, PolicyStatus>;
export type TelemetryPolicy = KubeObject<TelemetryPolicySpec, PolicyStatus>;
export type TrafficPolicy = KubeObject<TrafficPolicySpec, PolicyStatus>;
