/** Changes that the REST API makes: what is put in, and what a delete takes along. */
import type { ConfigDelta, ConfigObjects, Kind, Owned } from '../core/config.ts';

/** The path of each kind's collection, and what its objects are called in bodies and answers. */
export const KINDS = {
  listeners: { kind: 'Listener', label: 'listener' },
  clusters: { kind: 'Cluster', label: 'cluster' },
  rulelists: { kind: 'RuleList', label: 'rulelist' },
  rules: { kind: 'Rule', label: 'rule' },
  routes: { kind: 'Route', label: 'route' },
} as const satisfies Readonly<Record<keyof ConfigObjects, { kind: Kind; label: string }>>;

export type Collection = keyof typeof KINDS;

export const COLLECTIONS = Object.keys(KINDS) as readonly Collection[];

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
  for (const collection of COLLECTIONS) {
    for (const [each, { owner }] of objects[collection]) {
      if (owner === undefined) continue;
      const key = `${owner.kind} ${owner.name}`;
      const siblings = owned.get(key) ?? [];
      siblings.push({ kind: KINDS[collection].kind, name: each });
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
