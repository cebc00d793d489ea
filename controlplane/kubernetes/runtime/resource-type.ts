/** Kinds as the API server addresses them. */
import type { KubeRef } from '../api/object.ts';

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

export function apiVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `/api/v1/namespaces/default/services`; all namespaces where it is empty. */
export function collectionPath(type: ResourceType, namespace: string): string {
  const { group, plural, namespaced } = type;
  const scope = namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `/${group === '' ? 'api' : 'apis'}/${apiVersionOf(type)}${scope}/${plural}`;
}

export function objectPath(type: ResourceType, { namespace, name }: Omit<KubeRef, 'kind'>, subresource = ''): string {
  const path = `${collectionPath(type, namespace)}/${encodeURIComponent(name)}`;
  return subresource === '' ? path : `${path}/${subresource}`;
}

/** `Service default/web`, for people. */
export function describe({ kind }: ResourceType, { namespace, name }: Omit<KubeRef, 'kind'>): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;
}
