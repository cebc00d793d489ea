/** How the API server is addressed, and what its refusals are told by. */
import type { KubeRef } from './object.ts';

/** A kind as the API server addresses it. */
export interface ResourceType {
  /** Empty for Kubernetes' core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** As in URLs: `endpointslices`. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Of a CustomResourceDefinition: it may come and go. */
  readonly custom?: boolean;
}

export function namespaced(group: string, version: string, kind: string, plural: string): ResourceType {
  return { group, version, kind, plural, namespaced: true };
}

export function clusterWide(group: string, version: string, kind: string, plural: string): ResourceType {
  return { group, version, kind, plural, namespaced: false };
}

/** Names an object of a type that is known. */
export type ObjectName = Omit<KubeRef, 'kind'>;

/** The HTTP status that is the `code` of what the API server refuses; undefined for other errors. */
export function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}
