/** What the certificates want of the API server; errors have the HTTP status as `code`. */
import type { ObjectName, ResourceType } from '../api/addressing.ts';
import type { KubeObject } from '../api/object.ts';

export interface CertificatesClient {
  get(type: ResourceType, name: ObjectName): Promise<KubeObject>;
  create(type: ResourceType, object: KubeObject): Promise<KubeObject>;
  /** A conflict (409) where `metadata.resourceVersion` isn't the object's. */
  replace(type: ResourceType, object: KubeObject): Promise<KubeObject>;
  /** Server-side apply. */
  apply(type: ResourceType, object: KubeObject, options: { readonly force: boolean }): Promise<KubeObject>;
  delete(type: ResourceType, name: ObjectName, options: { readonly uid?: string | undefined }): Promise<void>;
}
