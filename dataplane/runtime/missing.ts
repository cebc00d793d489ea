/** What a listener needs, but isn't there: a new one that the control plane gave starts when nothing is missing. */
import type { Listener } from '../../gen/l7mp/config/v1/types.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { secretsOf } from '../../common/secrets.ts';

/** More are not told. */
const MOST = 5;

/** The secrets that a spec names and that are not there. */
export function missingSecrets(spec: object, { handedOut: { secrets } }: Pick<ConfigSnapshot, 'handedOut'>): string[] {
  return secretsOf(spec)
    .filter((name) => !secrets.has(name))
    .map((name) => `secret ${name}`);
}

/** The first rule lists, rules, routes and clusters that sessions of a listener would miss. */
export function missingObjects(
  { rules: first }: Listener,
  { rulelists, rules, routes }: ConfigSnapshot,
  clusters: ReadonlyMap<string, unknown>,
): string[] {
  const missing = new Set<string>();
  const lists = new Set([first]);
  const checkClusters = (names: readonly (string | undefined)[]): void => {
    for (const name of names) if (name !== undefined && !clusters.has(name)) missing.add(`cluster ${name}`);
  };
  const checkRoute = (name: string): void => {
    const route = routes.get(name)?.value;
    if (route === undefined) {
      missing.add(`route ${name}`);
      return;
    }
    const { destination, destinations, ingress, egress, mirrors } = route;
    const weighted = [...destinations, ...mirrors].map(({ cluster }) => cluster);
    checkClusters([destination, ...weighted, ...ingress, ...egress]);
  };
  // The loop sees the lists that it adds.
  for (const list of lists) {
    if (missing.size >= MOST) break;
    const found = rulelists.get(list)?.value;
    if (found === undefined) missing.add(`rule list ${list}`);
    for (const name of found?.rules ?? []) {
      const rule = rules.get(name)?.value;
      if (rule === undefined) missing.add(`rule ${name}`);
      else if (rule.action.route !== undefined) checkRoute(rule.action.route);
      if (rule?.action.apply !== undefined) lists.add(rule.action.apply);
    }
  }
  return [...missing].slice(0, MOST);
}
