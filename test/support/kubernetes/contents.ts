/** All that an API server has: to compare what was there before something with what is there after it. */
import type { KubeObject } from '../../../controlplane/kubernetes/api/object.ts';
import type { Kube } from './kube.ts';

/** By what they are called, as in `Service shop/web`. */
export type Contents = ReadonlyMap<string, KubeObject>;

interface List {
  readonly items: readonly KubeObject[];
}

/** Of every kind that the server lists, in all namespaces, but events, which tell of what was. */
export async function contentsOf(kube: Kube): Promise<Contents> {
  const names = await kube.kubectl(['api-resources', '--verbs=list', '--output=name', '--cached=false']);
  const kinds = names.split('\n').filter((name) => name !== '' && !/^(?:events|componentstatuses)\b/u.test(name));
  const text = await kube.kubectl(['get', kinds.join(), '--all-namespaces', '--output=json', '--ignore-not-found']);
  const { items } = JSON.parse(text) as List;
  return new Map(items.map((object) => [titleOf(object), object]));
}

export function titleOf({ kind, metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** What there is of `now` that wasn't there `before`, and that nobody owns who was there or is one of `but`. */
export function unexplained(now: Contents, before: Contents, but: (object: KubeObject) => boolean): string[] {
  const byUid = new Map(Array.from(now.values(), (object) => [object.metadata.uid, object]));
  const isExplained = (object: KubeObject): boolean => {
    if (before.has(titleOf(object)) || but(object)) return true;
    const owners = (object.metadata.ownerReferences ?? []).map(({ uid }) => byUid.get(uid));
    return owners.some((owner) => owner !== undefined && isExplained(owner));
  };
  return Array.from(now.values())
    .filter((object) => !isExplained(object))
    .map(titleOf)
    .sort();
}
