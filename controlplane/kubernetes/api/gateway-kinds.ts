/** The kinds of Gateway API (gateway.networking.k8s.io), as far as they are read. Types only. */
import type { KubeObject } from './object.ts';

export interface GatewayKinds {
  readonly GatewayClass: KubeObject;
}
