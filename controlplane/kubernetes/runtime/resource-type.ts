/** Where the API server has kinds and their objects. */
import type { ObjectName, ResourceType } from '../api/addressing.ts';

export function apiVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `/api/v1/namespaces/default/services`; all namespaces where it is empty. */
export function collectionPath(type: ResourceType, namespace: string): string {
  const { group, plural, namespaced } = type;
  const scope = namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `/${group === '' ? 'api' : 'apis'}/${apiVersionOf(type)}${scope}/${plural}`;
}

export function objectPath(type: ResourceType, { namespace, name }: ObjectName, subresource = ''): string {
  const path = `${collectionPath(type, namespace)}/${encodeURIComponent(name)}`;
  return subresource === '' ? path : `${path}/${subresource}`;
}

/** `Service default/web`, for people. */
export function describe({ kind }: ResourceType, { namespace, name }: ObjectName): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;
}
