/** Changes that the REST API makes: what is put in, and what a delete takes along. */
import type { ConfigDelta, ConfigObjects, Kind, Owned } from '../../config/snapshot.ts';
import { KIND_OF, type ListName, LISTS } from '../../config/kinds.ts';

/** The path of a kind's collection. */
export type Collection = ListName;

/** What objects of a collection are called in bodies and answers. */
export function labelOf(collection: Collection): string {
  return KIND_OF[collection].toLowerCase();
}

/** A change that only puts in. */
export function upsert(objects: Partial<ConfigObjects>): ConfigDelta {
  return { upsert: objects, remove: [] };
}

/**
 * A change that takes an object out; recursive: with what was written in it, and in that. What another object owns, or
 * none, stays.
 */
export function removal(objects: ConfigObjects, kind: Kind, name: string, recursive: boolean): ConfigDelta {
  const remove = [{ kind, name }];
  if (!recursive) return { upsert: {}, remove };
  const owned = new Map<string, { kind: Kind; name: string }[]>();
  for (const collection of LISTS) {
    for (const [each, { owner }] of objects[collection]) {
      if (owner === undefined) continue;
      const key = `${owner.kind} ${owner.name}`;
      const siblings = owned.get(key) ?? [];
      siblings.push({ kind: KIND_OF[collection], name: each });
      owned.set(key, siblings);
    }
  }
  // What is found is looked at in turn: the loop sees what it adds.
  for (const owner of remove) remove.push(...(owned.get(`${owner.kind} ${owner.name}`) ?? []));
  return { upsert: {}, remove };
}

type Values = { [C in Collection]: ConfigObjects[C] extends ReadonlyMap<string, Owned<infer T>> ? T : never };

/** An object of a collection, with its owner. */
export type Found<C extends Collection> = Owned<Values[C]>;

/** One object changed: its owner stays. */
export function replaced<C extends Collection>(
  collection: C,
  name: string,
  { owner, source }: Found<C>,
  value: Values[C],
): Partial<ConfigObjects> {
  return { [collection]: new Map([[name, { value, owner, source }]]) };
}
