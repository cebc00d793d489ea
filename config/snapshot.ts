/** The configuration after decoding: objects by name, references by name, inline objects taken out. Types only. */
import type {
  Admin,
  Cluster,
  ClusterLoadAssignment,
  Listener,
  Route,
  Rule,
  RuleList,
  Secret,
} from '../gen/l7mp/config/v1/types.ts';

/** The kinds of objects that have names of their own. Endpoints are parts of their cluster. */
export type Kind = 'Listener' | 'Cluster' | 'RuleList' | 'Rule' | 'Route';

/** The object that another was written in. */
export interface Owner {
  readonly kind: Kind;
  readonly name: string;
}

/** Who writes an object: the proxy's own file and REST API, or the control plane. */
export type Source = 'local' | 'controlplane';

/** An object, its source, and the object that it was written in: a recursive delete takes it along. */
export interface Owned<T> {
  readonly value: T;
  readonly owner: Owner | undefined;
  readonly source: Source;
}

/** All named objects. References among them may name what isn't there: they are bound when a session starts. */
export interface ConfigObjects {
  readonly listeners: ReadonlyMap<string, Owned<Listener>>;
  readonly clusters: ReadonlyMap<string, Owned<Cluster>>;
  readonly rulelists: ReadonlyMap<string, Owned<RuleList>>;
  readonly rules: ReadonlyMap<string, Owned<Rule>>;
  readonly routes: ReadonlyMap<string, Owned<Route>>;
}

/** What only a control plane has to give, by name. */
export interface HandedOut {
  readonly assignments: ReadonlyMap<string, ClusterLoadAssignment>;
  readonly secrets: ReadonlyMap<string, Secret>;
}

/** A whole configuration. Immutable: a change makes a new one that shares what stayed. */
export interface ConfigSnapshot extends ConfigObjects {
  readonly admin: Admin;
  readonly handedOut: HandedOut;
}

/** A change: what is put in (made or replaced), and what is taken out. */
export interface ConfigDelta {
  readonly upsert: Partial<ConfigObjects>;
  readonly remove: readonly { readonly kind: Kind; readonly name: string }[];
  /** Takes the place of all that was handed out before. */
  readonly handedOut?: HandedOut;
  /** It was live in an earlier process, with all that it lacks: new listeners don't wait for what they name. Default: false. */
  readonly servedBefore?: boolean;
}

/** What the file source, the REST API and every other source write to. */
export interface ConfigSink {
  readonly snapshot: ConfigSnapshot;
  /**
   * Makes the change as a whole, or not at all. A function is called when the change's turn has come, with what there
   * is then: so changes at the same time don't undo each other. What it throws is passed on, and nothing changes.
   * `source`, `local` when absent, may change its own objects only; those of the control plane that can't be made live
   * don't hold up the others: they are `failed`.
   *
   * @throws FaultsError with everything that stands in the way.
   */
  apply(delta: ConfigDelta | ((snapshot: ConfigSnapshot) => ConfigDelta), source?: Source): Promise<void>;
  /**
   * Replaces everything local, as a whole or not at all. What the control plane gave stays, but for objects whose names
   * are now local. A function is called as that of `apply`.
   */
  replace(snapshot: ConfigSnapshot | ((current: ConfigSnapshot) => ConfigSnapshot)): Promise<void>;
}
