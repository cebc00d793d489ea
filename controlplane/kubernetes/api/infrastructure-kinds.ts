/** The kinds that are made for Gateways, and the one that says how. Types only. */
import type { GatewayParameters } from './gateway-parameters.ts';
import type { KubeObject } from './object.ts';

export interface InfrastructureKinds {
  readonly GatewayParameters: GatewayParameters;
  readonly Deployment: KubeObject;
  readonly DaemonSet: KubeObject;
  readonly ServiceAccount: KubeObject;
  readonly PodDisruptionBudget: KubeObject;
  readonly HorizontalPodAutoscaler: KubeObject;
}
