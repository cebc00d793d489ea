/**
 * Objects of one kind by namespace and name, with indexes. What is older than what it has does it no harm; and of changes in what is
 * kept of no object, as others' fields, it tells nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, ObjectMeta } from '../api/object.ts';
import { isOlder } from './versions.ts';

/** The values by which an object is found, as the name of a slice's service. */
export type IndexFunction<Kind extends KubeObject = KubeObject> = (object: Kind) => readonly string[];

/** Deletions that are remembered, against changes of before them that come late. */
const MAX_TOMBSTONES = 1000;

/** `namespace/name`, or `/name` for kinds that are cluster-wide: names have no `/`. */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function keyOfObject({ metadata }: KubeObject): string {
  return keyOf(metadata.namespace ?? '', metadata.name);
}

export class Table<Kind extends KubeObject = KubeObject> {
  readonly #objects = new Map<string, Kind>();
  readonly #indexes: ReadonlyMap<
    string,
    { readonly of: IndexFunction<Kind>; readonly values: Map<string, Map<string, Kind>> }
  >;
  /** The version of its deletion by key, the oldest first. */
  readonly #tombstones = new Map<string, string>();
  readonly #onChange: (key: string) => void;

  constructor(indexes: Readonly<Record<string, IndexFunction<Kind>>>, onChange: (key: string) => void) {
    this.#indexes = new Map(Object.entries(indexes).map(([name, of]) => [name, { of, values: new Map() }]));
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): Kind | undefined {
    return this.#objects.get(key);
  }

  values(): Iterable<Kind> {
    return this.#objects.values();
  }

  /** @throws RangeError: there is no such index. */
  by(index: string, value: string): Iterable<Kind> {
    const found = this.#indexes.get(index);
    if (!found) throw new RangeError(`expected an index of the kind, found ${JSON.stringify(index)}`);
    return found.values.get(value)?.values() ?? [];
  }

  /** An object is new or changed. */
  put(object: Kind): void {
    const key = keyOfObject(object);
    const version = object.metadata.resourceVersion;
    if (isOlder(version, this.#tombstones.get(key))) return;
    const before = this.#objects.get(key);
    if (before && (isSame(before, object) || isOlder(version, before.metadata.resourceVersion))) return;
    this.#tombstones.delete(key);
    this.#set(key, before, object);
  }

  /** An object is deleted; `object` is its last state, with the version of its deletion. */
  remove(object: KubeObject): void {
    const key = keyOfObject(object);
    const version = object.metadata.resourceVersion;
    const before = this.#objects.get(key);
    if (before && isOlder(version, before.metadata.resourceVersion)) return;
    if (version !== undefined) this.#bury(key, version);
    if (before) this.#set(key, before, undefined);
  }

  /** These, and no others, are there as of a version. */
  replace(objects: ReadonlyMap<string, Kind>): void {
    // The list is of later than any deletion that is known.
    this.#tombstones.clear();
    for (const [key, before] of this.#objects) if (!objects.has(key)) this.#set(key, before, undefined);
    for (const [key, object] of objects) {
      const before = this.#objects.get(key);
      if (!before || !isSame(before, object)) this.#set(key, before, object);
    }
  }

  #bury(key: string, version: string): void {
    this.#tombstones.delete(key);
    this.#tombstones.set(key, version);
    if (this.#tombstones.size <= MAX_TOMBSTONES) return;
    const [oldest] = this.#tombstones.keys();
    if (oldest !== undefined) this.#tombstones.delete(oldest);
  }

  #set(key: string, before: Kind | undefined, after: Kind | undefined): void {
    if (after) this.#objects.set(key, after);
    else this.#objects.delete(key);
    for (const { of, values } of this.#indexes.values()) {
      for (const value of before ? of(before) : []) {
        const found = values.get(value);
        found?.delete(key);
        if (found?.size === 0) values.delete(value);
      }
      if (!after) continue;
      for (const value of of(after)) {
        const found = values.get(value);
        if (found) found.set(key, after);
        else values.set(value, new Map([[key, after]]));
      }
    }
    if (!before || !after || !isEqual(before, after)) this.#onChange(key);
  }
}

/** But for its version. */
function isEqual({ metadata: one, ...rest }: KubeObject, { metadata: other, ...otherRest }: KubeObject): boolean {
  const unversioned = (metadata: ObjectMeta): object => ({ ...metadata, resourceVersion: undefined });
  return isDeepStrictEqual(unversioned(one), unversioned(other)) && isDeepStrictEqual(rest, otherRest);
}

/** Of the same version: what is there needs no other copy. */
function isSame({ metadata: one }: KubeObject, { metadata: other }: KubeObject): boolean {
  return one.uid === other.uid && one.resourceVersion !== undefined && one.resourceVersion === other.resourceVersion;
}
