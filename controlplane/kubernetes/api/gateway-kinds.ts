/** The kinds of Gateway API (gateway.networking.k8s.io), as far as they are read. Types only. */
import type { KubeObject } from './object.ts';

export interface GatewayKinds {
  readonly GatewayClass: KubeObject;
  readonly ReferenceGrant: ReferenceGrant;
}

export type ReferenceGrant = KubeObject<{
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
}>;
