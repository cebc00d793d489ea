/** What the certificates want of the API server; errors have the HTTP status as `code`. */
import type { KubeObject } from '../api/object.ts';

/** As the runtime layer addresses kinds. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface CertificatesClient {
  get(type: ResourceType, name: ObjectName): Promise<KubeObject>;
  create(type: ResourceType, object: KubeObject): Promise<KubeObject>;
  /** A conflict (409) where `metadata.resourceVersion` isn't the object's. */
  replace(type: ResourceType, object: KubeObject): Promise<KubeObject>;
  /** Server-side apply. */
  apply(type: ResourceType, object: KubeObject, options: { readonly force: boolean }): Promise<KubeObject>;
  delete(type: ResourceType, name: ObjectName, options: { readonly uid?: string | undefined }): Promise<void>;
}

export function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}
