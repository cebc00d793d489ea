/** The ways that a configuration has: from each listener by its rules and their routes to clusters. */
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import type { Way } from './way-totals.ts';

/** Lists that apply lists stand for more than there are objects. */
const MAX_WAYS = 2000;

const known = new WeakMap<ConfigSnapshot, readonly Way[]>();

/** At most 2,000. Snapshots don't change: each is walked once. */
export function waysOf(snapshot: ConfigSnapshot): readonly Way[] {
  let ways = known.get(snapshot);
  if (ways === undefined) {
    ways = walk(snapshot);
    known.set(snapshot, ways);
  }
  return ways;
}

function walk(snapshot: ConfigSnapshot): Way[] {
  const ways: Way[] = [];
  for (const [listener, { value }] of snapshot.listeners) {
    for (const rule of rulesOf(snapshot, value.rules)) {
      const action = snapshot.rules.get(rule)?.value.action;
      if (action === undefined) continue;
      const { route = '' } = action;
      for (const cluster of clustersOf(snapshot, route)) {
        if (ways.length === MAX_WAYS) return ways;
        ways.push({ listener, rule, route, cluster });
      }
    }
  }
  return ways;
}

/** The rules of a list and of those that it applies, each list once. */
function* rulesOf({ rulelists, rules }: ConfigSnapshot, list: string): Iterable<string> {
  // A set is walked with what is added to it meanwhile.
  const lists = new Set([list]);
  for (const name of lists) {
    for (const rule of rulelists.get(name)?.value.rules ?? []) {
      const apply = rules.get(rule)?.value.action.apply;
      if (apply === undefined) yield rule;
      else lists.add(apply);
    }
  }
}

/** The name of no cluster where the proxy answers itself. */
function clustersOf({ routes }: ConfigSnapshot, name: string): readonly string[] {
  const route = routes.get(name)?.value;
  if (route === undefined) return [''];
  const { destination, destinations } = route;
  const several = destinations.map(({ cluster = '' }) => cluster);
  return [...new Set([...(destination === undefined ? [] : [destination]), ...several])];
}
