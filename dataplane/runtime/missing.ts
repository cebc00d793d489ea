/** What is named, but isn't there: a new listener that the control plane gave starts when nothing is missing. */
import type { ConfigSnapshot, Kind, Owned } from '../../config/snapshot.ts';
import { KINDS, LIST_OF } from '../../config/kinds.ts';
import { referencesOf, WORDS } from '../../config/references.ts';
import { secretsOf } from '../../common/secrets.ts';

/** More are not told. */
const MOST = 5;

/** The secrets that a spec names and that are not there. */
export function missingSecrets(spec: object, { handedOut: { secrets } }: Pick<ConfigSnapshot, 'handedOut'>): string[] {
  return secretsOf(spec)
    .filter((name) => !secrets.has(name))
    .map((name) => `secret ${name}`);
}

/** The rule lists, rules, routes and clusters that are named and not there, in one state of the configuration. */
export class MissingObjects {
  private readonly snapshot: ConfigSnapshot;
  /** Those that could be made. */
  private readonly clusters: ReadonlyMap<string, unknown>;
  private readonly known = new Map<object, readonly string[]>();
  private whole: boolean | undefined;

  constructor(snapshot: ConfigSnapshot, clusters: ReadonlyMap<string, unknown>) {
    this.snapshot = snapshot;
    this.clusters = clusters;
  }

  /** The first of what an object names; of a listener, of all that its sessions come to. */
  of(kind: Kind, value: object): readonly string[] {
    this.whole ??= this.isWhole();
    if (this.whole) return [];
    let found = this.known.get(value);
    if (found === undefined) this.known.set(value, (found = this.find(kind, value)));
    return found;
  }

  /** Mostly nothing is missing anywhere: that is found out once for all. */
  private isWhole(): boolean {
    return KINDS.every((kind) => {
      const all: ReadonlyMap<string, Owned<object>> = this.snapshot[LIST_OF[kind]];
      for (const { value } of all.values()) {
        for (const to of referencesOf(kind, value)) if (this.get(to.kind as Kind, to.name) === undefined) return false;
      }
      return true;
    });
  }

  private find(kind: Kind, value: object): readonly string[] {
    const missing = new Set<string>();
    const reached = new Map<object, Kind>([[value, kind]]);
    // The loop sees the objects that it adds.
    for (const [each, its] of reached) {
      for (const { kind: to, name } of referencesOf(its, each)) {
        const next = this.get(to as Kind, name);
        if (next !== undefined) {
          if (kind === 'Listener') reached.set(next, to as Kind);
        } else if (missing.add(`${WORDS[to]} ${name}`).size >= MOST) return [...missing];
      }
    }
    return [...missing];
  }

  private get(kind: Kind, name: string): object | undefined {
    if (kind === 'Cluster' && !this.clusters.has(name)) return undefined;
    return this.snapshot[LIST_OF[kind]].get(name)?.value;
  }
}
