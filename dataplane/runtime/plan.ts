/** What a new configuration changes: the difference of two snapshots, by kind and name. */
import { isDeepStrictEqual } from 'node:util';
import type { ConfigDelta, ConfigObjects, ConfigSnapshot, Kind, Owned } from '../core/config.ts';

/** The collection that holds a kind. */
export const COLLECTION_OF: Readonly<Record<Kind, keyof ConfigObjects>> = {
  Listener: 'listeners',
  Cluster: 'clusters',
  RuleList: 'rulelists',
  Rule: 'rules',
  Route: 'routes',
};

/** The names of one kind that came, changed, or went. What is equal is in none of them. */
export interface Difference {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export function difference(
  before: ReadonlyMap<string, Owned<unknown>>,
  after: ReadonlyMap<string, Owned<unknown>>,
): Difference {
  const added: string[] = [];
  const changed: string[] = [];
  for (const [name, { value }] of after) {
    const old = before.get(name);
    if (old === undefined) added.push(name);
    else if (!isDeepStrictEqual(old.value, value)) changed.push(name);
  }
  return { added, changed, removed: [...before.keys()].filter((name) => !after.has(name)) };
}

/** The snapshot with the change made. */
export function withDelta(snapshot: ConfigSnapshot, { upsert, remove }: ConfigDelta): ConfigSnapshot {
  const removed = (kind: Kind): string[] => remove.filter((each) => each.kind === kind).map(({ name }) => name);
  const merge = <T>(
    kind: Kind,
    base: ReadonlyMap<string, Owned<T>>,
    added: ReadonlyMap<string, Owned<T>> | undefined,
  ): ReadonlyMap<string, Owned<T>> => {
    const gone = removed(kind);
    if (gone.length === 0 && (added === undefined || added.size === 0)) return base;
    const merged = new Map(base);
    for (const name of gone) merged.delete(name);
    for (const [name, object] of added ?? []) merged.set(name, object);
    return merged;
  };
  return {
    admin: snapshot.admin,
    listeners: merge('Listener', snapshot.listeners, upsert.listeners),
    clusters: merge('Cluster', snapshot.clusters, upsert.clusters),
    rulelists: merge('RuleList', snapshot.rulelists, upsert.rulelists),
    rules: merge('Rule', snapshot.rules, upsert.rules),
    routes: merge('Route', snapshot.routes, upsert.routes),
  };
}
