/** A snapshot with a change made to it. */
import type { ConfigDelta, ConfigSnapshot, Kind, Owned } from '../core/config.ts';

/** A new snapshot that shares what the change leaves alone; what is put in wins over what is taken out. */
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
