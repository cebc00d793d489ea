/** A snapshot with a change made to it. */
import { isDeepStrictEqual } from 'node:util';
import type { ConfigDelta, ConfigSnapshot, Kind, Owned, Source } from '../../config/snapshot.ts';
import { type Fault, FaultsError } from '../../common/errors.ts';
import { LIST_OF, type ListName, LISTS } from '../../config/kinds.ts';

/**
 * A new snapshot that shares what the change leaves alone; what is put in wins over what is taken out.
 *
 * @throws FaultsError where it touches objects of another source.
 */
export function withDelta(snapshot: ConfigSnapshot, delta: ConfigDelta, source: Source = 'local'): ConfigSnapshot {
  const { upsert, remove, handedOut = snapshot.handedOut } = delta;
  checkSource(snapshot, delta, source);
  const merge = <T>(
    kind: Kind,
    base: ReadonlyMap<string, Owned<T>>,
    added: ReadonlyMap<string, Owned<T>> | undefined,
  ): ReadonlyMap<string, Owned<T>> => {
    const gone = remove.filter((each) => each.kind === kind);
    if (gone.length === 0 && (added === undefined || added.size === 0)) return base;
    const merged = new Map(base);
    for (const { name } of gone) merged.delete(name);
    for (const [name, object] of added ?? []) merged.set(name, object);
    return merged;
  };
  return {
    admin: snapshot.admin,
    handedOut,
    listeners: merge('Listener', snapshot.listeners, upsert.listeners),
    clusters: merge('Cluster', snapshot.clusters, upsert.clusters),
    rulelists: merge('RuleList', snapshot.rulelists, upsert.rulelists),
    rules: merge('Rule', snapshot.rules, upsert.rules),
    routes: merge('Route', snapshot.routes, upsert.routes),
  };
}

/**
 * All that is local replaced; what the control plane gave stays where no local object has its name. An object that is as
 * it was is the one that was: so nobody has to look at it any closer.
 */
export function withLocal(current: ConfigSnapshot, local: ConfigSnapshot): ConfigSnapshot {
  const merge = <T>(
    before: ReadonlyMap<string, Owned<T>>,
    next: ReadonlyMap<string, Owned<T>>,
  ): ReadonlyMap<string, Owned<T>> => {
    const merged = new Map<string, Owned<T>>();
    for (const [name, object] of next) {
      const known = before.get(name);
      merged.set(name, known && isDeepStrictEqual(known, object) ? known : object);
    }
    for (const [name, object] of before) {
      if (object.source === 'controlplane' && !next.has(name)) merged.set(name, object);
    }
    return merged;
  };
  return {
    admin: local.admin,
    handedOut: current.handedOut,
    listeners: merge(current.listeners, local.listeners),
    clusters: merge(current.clusters, local.clusters),
    rulelists: merge(current.rulelists, local.rulelists),
    rules: merge(current.rules, local.rules),
    routes: merge(current.routes, local.routes),
  };
}

function checkSource(snapshot: ConfigSnapshot, { upsert, remove }: ConfigDelta, source: Source): void {
  const faults: Fault[] = [];
  const check = (list: ListName, name: string): void => {
    const found = snapshot[list].get(name)?.source;
    if (found === undefined || found === source) return;
    const [expected, owner] =
      source === 'local'
        ? ["an object of the proxy's own", 'managed by the control plane']
        : ['a name that the proxy does not have itself', "the proxy's own configuration"];
    faults.push({ path: `${list}.${name}`, expected, found: `"${name}", ${owner}` });
  };
  for (const list of LISTS) for (const name of upsert[list]?.keys() ?? []) check(list, name);
  for (const { kind, name } of remove) check(LIST_OF[kind], name);
  if (faults.length > 0) throw new FaultsError(faults);
}
