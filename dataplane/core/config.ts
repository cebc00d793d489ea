/** The configuration after decoding: objects by name, references by name, inline objects taken out. Types only. */
import type { Admin, Cluster, Listener, Route, Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';

/** The kinds of objects that have names of their own. Endpoints are parts of their cluster. */
export type Kind = 'Listener' | 'Cluster' | 'RuleList' | 'Rule' | 'Route';

/** The object that another was written in. */
export interface Owner {
  readonly kind: Kind;
  readonly name: string;
}

/** An object, and the one that it was written in: a recursive delete takes it along. */
export interface Owned<T> {
  readonly value: T;
  readonly owner: Owner | undefined;
}

/** All named objects. References among them may name what isn't there: they are bound when a session starts. */
export interface ConfigObjects {
  readonly listeners: ReadonlyMap<string, Owned<Listener>>;
  readonly clusters: ReadonlyMap<string, Owned<Cluster>>;
  readonly rulelists: ReadonlyMap<string, Owned<RuleList>>;
  readonly rules: ReadonlyMap<string, Owned<Rule>>;
  readonly routes: ReadonlyMap<string, Owned<Route>>;
}

/** A whole configuration. Immutable: a change makes a new one that shares what stayed. */
export interface ConfigSnapshot extends ConfigObjects {
  readonly admin: Admin;
}

/** A change: what is put in (made or replaced), and what is taken out. */
export interface ConfigDelta {
  readonly upsert: Partial<ConfigObjects>;
  readonly remove: readonly { readonly kind: Kind; readonly name: string }[];
}

/** What the file source, the REST API and every other source write to. */
export interface ConfigSink {
  readonly snapshot: ConfigSnapshot;
  /**
   * Makes the change as a whole, or not at all. A function is called when the change's turn has come, with what there
   * is then: so changes at the same time don't undo each other. What it throws is passed on, and nothing changes.
   *
   * @throws FaultsError with everything that stands in the way.
   */
  apply(delta: ConfigDelta | ((snapshot: ConfigSnapshot) => ConfigDelta)): Promise<void>;
  /** Replaces everything, as a whole or not at all. */
  replace(snapshot: ConfigSnapshot): Promise<void>;
}
