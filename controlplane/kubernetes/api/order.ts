/** Orders and groups: who comes first where two want the same is the older, then the first by namespace and name. */
import type { KubeObject } from './object.ts';

export function sortByAge<T extends KubeObject>(objects: Iterable<T>): T[] {
  return sort(objects, ({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') || 0);
}

/** By namespace and name. */
export function sortByName<T extends KubeObject>(objects: Iterable<T>): T[] {
  return sort(objects, () => 0);
}

/** Keys are made once for each: there may be thousands. */
function sort<T extends KubeObject>(objects: Iterable<T>, timeOf: (object: T) => number): T[] {
  const keyed = Array.from(objects, (object) => ({ object, time: timeOf(object), name: fullName(object) }));
  keyed.sort((one, other) => one.time - other.time || compare(one.name, other.name));
  return keyed.map(({ object }) => object);
}

export function byAge(one: KubeObject, other: KubeObject): number {
  const [older, newer] = [one, other].map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') || 0);
  return (older ?? 0) - (newer ?? 0) || byName(one, other);
}

export function byName(one: KubeObject, other: KubeObject): number {
  return compare(fullName(one), fullName(other));
}

/** As in `default/web`: what people see, and what ties are broken by. */
export function fullName({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

/** By code units: the same everywhere, whatever the locale. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

/** What has the same key, in the order that it came in. */
export function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
