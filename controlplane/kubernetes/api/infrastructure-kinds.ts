/** The kinds that are made for Gateways. Types only. */
import type { KubeObject } from './object.ts';

export interface InfrastructureKinds {
  readonly Deployment: KubeObject;
  readonly DaemonSet: KubeObject;
  readonly ServiceAccount: KubeObject;
  readonly PodDisruptionBudget: KubeObject;
  readonly HorizontalPodAutoscaler: KubeObject;
}
