/** Changes that the REST API makes: what is put in, and what a delete takes along. */
import type { ConfigDelta, ConfigObjects, Kind, Owned } from '../core/config.ts';

/** The path of each kind's collection, the name of its object in a body, and its collection. */
export const KINDS = {
  listeners: { kind: 'Listener', body: 'listener', label: 'listener' },
  clusters: { kind: 'Cluster', body: 'cluster', label: 'cluster' },
  rulelists: { kind: 'RuleList', body: 'rulelist', label: 'rulelist' },
  rules: { kind: 'Rule', body: 'rule', label: 'rule' },
  routes: { kind: 'Route', body: 'route', label: 'route' },
} as const satisfies Readonly<Record<keyof ConfigObjects, { kind: Kind; body: string; label: string }>>;

export type Collection = keyof typeof KINDS;

/** A change that only puts in. */
export function upsert(objects: Partial<ConfigObjects>): ConfigDelta {
  return { upsert: objects, remove: [] };
}

/** A change that takes an object out; recursive: with what was written in it, and in that. */
export function removal(objects: ConfigObjects, kind: Kind, name: string, recursive: boolean): ConfigDelta {
  const remove = [{ kind, name }];
  if (!recursive) return { upsert: {}, remove };
  const all = (Object.keys(KINDS) as Collection[]).flatMap((collection) =>
    [...objects[collection]].map(([each, { owner }]) => ({
      kind: KINDS[collection].kind,
      name: each,
      owner,
    })),
  );
  for (const owner of remove) {
    for (const each of all) {
      if (each.owner?.kind === owner.kind && each.owner.name === owner.name)
        remove.push({ kind: each.kind, name: each.name });
    }
  }
  return { upsert: {}, remove };
}

/** One object replaced: its owner stays. */
export function replaced<C extends Collection>(
  objects: ConfigObjects,
  collection: C,
  name: string,
  change: (value: Values[C]) => Values[C],
): ConfigDelta {
  const found = objects[collection].get(name) as Owned<Values[C]> | undefined;
  if (found === undefined) return upsert({});
  const next = new Map([[name, { value: change(found.value), owner: found.owner }]]);
  return upsert({ [collection]: next });
}

type Values = { [C in Collection]: ConfigObjects[C] extends ReadonlyMap<string, Owned<infer T>> ? T : never };
