/** Orders and groups: who comes first where two want the same is the older, then the first by namespace and name. */
import type { KubeObject } from './object.ts';

export function sortByAge<T extends KubeObject>(objects: Iterable<T>): T[] {
  return sortByAgeOf(objects, (object) => object);
}

/** Things by the age of an object of theirs; where it is one of the same name and time, by its kind. */
export function sortByAgeOf<T>(things: Iterable<T>, objectOf: (thing: T) => KubeObject): T[] {
  return sort(things, objectOf, ({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') || 0);
}

/** By namespace and name. */
export function sortByName<T extends KubeObject>(objects: Iterable<T>): T[] {
  return sort(
    objects,
    (object) => object,
    () => 0,
  );
}

/** Keys are made once for each: there may be thousands. */
function sort<T>(things: Iterable<T>, objectOf: (thing: T) => KubeObject, timeOf: (object: KubeObject) => number): T[] {
  const keyed = Array.from(things, (thing) => {
    const object = objectOf(thing);
    return { thing, time: timeOf(object), name: fullName(object), kind: object.kind };
  });
  keyed.sort((one, other) => one.time - other.time || compare(one.name, other.name) || compare(one.kind, other.kind));
  return keyed.map(({ thing }) => thing);
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
