/** Who has which name: each resource is one object's, that which comes first where several have it. */
import type { ConfigObjects, Owned } from '../../config/snapshot.ts';
import type { Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { Resource, ResourceKey } from '../core/resource.ts';
import type { Part } from '../model/decode-content.ts';
import { Draft, type Table } from '../model/draft.ts';
import type { ConfigObject } from '../model/object.ts';
import { resourceId } from '../model/resource-id.ts';

/** What an object has of the names. */
export interface Claimant {
  /** The input that it is. */
  readonly input: string;
  readonly object: ConfigObject;
  readonly parts: readonly Part[];
  readonly resources: readonly Resource[];
}

interface Referrer {
  readonly key: ResourceKey;
  /** Objects and candidates that have it. */
  readonly claims: number;
}

/** The API's objects before those of files; these in the order of files and of their keys. */
export function comesBefore(one: ConfigObject, other: ConfigObject): boolean {
  const api = one.source === 'api';
  if (api !== (other.source === 'api')) return api;
  return one.source === other.source ? one.id < other.id : one.source < other.source;
}

interface Tables {
  readonly holders: Table<string, Set<Claimant>>;
  /** By load assignment: the clusters that take their endpoints from it, by their ids. */
  readonly referrers: Table<string, Map<string, Referrer>>;
  readonly rulelists: Table<string, Owned<RuleList>>;
  readonly rules: Table<string, Owned<Rule>>;
}

export class Claims {
  protected readonly tables: Tables;

  constructor(tables: Tables = { holders: new Map(), referrers: new Map(), rulelists: new Map(), rules: new Map() }) {
    this.tables = tables;
  }

  /** Names as they will be. */
  draft(): ClaimsDraft {
    const { holders, referrers, rulelists, rules } = this.tables;
    return new ClaimsDraft({
      holders: new Draft(holders),
      referrers: new Draft(referrers),
      rulelists: new Draft(rulelists),
      rules: new Draft(rules),
    });
  }

  has(id: string): boolean {
    return this.tables.holders.has(id);
  }

  /** Whose companion a resource is: who has one of those comes to ask for it. */
  *referrersOf(resource: ResourceKey): Iterable<ResourceKey> {
    for (const { key } of this.tables.referrers.get(resourceId(resource))?.values() ?? []) yield key;
  }

  /** All that have a name. */
  of(id: string): Iterable<Claimant> {
    return this.tables.holders.get(id) ?? [];
  }

  /** Whether the name is this object's; candidates of the same object count as the object. */
  wins(id: string, object: ConfigObject): boolean {
    return this.winner(id, object) === undefined;
  }

  /** The object that has a name before this one. */
  winner(id: string, object: ConfigObject): ConfigObject | undefined {
    for (const holder of this.of(id)) {
      if (holder.object.id !== object.id && comesBefore(holder.object, object)) return holder.object;
    }
    return undefined;
  }

  /** Rules and rule lists for finding circles. Their names are not taken for whoever asks. */
  others(
    overlay: { readonly rulelists?: Lookup<Owned<RuleList>>; readonly rules?: Lookup<Owned<Rule>> } = {},
  ): ConfigObjects {
    const nothing = new Map<string, never>();
    return {
      listeners: nothing,
      clusters: nothing,
      routes: nothing,
      rulelists: new Lookups([overlay.rulelists, this.tables.rulelists]),
      rules: new Lookups([overlay.rules, this.tables.rules]),
    };
  }
}

/** Names as they will be: seen by others after `commit`. */
export class ClaimsDraft extends Claims {
  declare protected readonly tables: { readonly [K in keyof Tables]: DraftOf<Tables[K]> };

  add(claimant: Claimant): void {
    const { holders, rulelists, rules } = this.tables;
    for (const resource of claimant.resources) {
      const id = resourceId(resource);
      const others = holders.own(id, copyOf);
      if (others) others.add(claimant);
      else holders.set(id, new Set([claimant]));
      this.refer(resource, 1);
    }
    takeRules({ rulelists, rules }, claimant.parts);
  }

  delete(claimant: Claimant): void {
    const { holders, rulelists, rules } = this.tables;
    for (const resource of claimant.resources) {
      const id = resourceId(resource);
      const others = holders.own(id, copyOf);
      others?.delete(claimant);
      if (others?.size === 0) holders.delete(id);
      this.refer(resource, -1);
    }
    for (const { kind, name, value } of claimant.parts) {
      if (kind === 'RuleList' && rulelists.get(name)?.value === value) rulelists.delete(name);
      if (kind === 'Rule' && rules.get(name)?.value === value) rules.delete(name);
    }
  }

  commit(): void {
    for (const table of Object.values(this.tables)) table.commit();
  }

  private refer({ typeUrl, name, companion }: Resource, by: number): void {
    if (companion === undefined) return;
    const { referrers } = this.tables;
    const [to, from] = [resourceId(companion), resourceId({ typeUrl, name })];
    const known = referrers.own(to, (map) => new Map(map)) ?? new Map<string, Referrer>();
    const claims = (known.get(from)?.claims ?? 0) + by;
    if (claims > 0) known.set(from, { key: { typeUrl, name }, claims });
    else known.delete(from);
    if (known.size > 0) referrers.set(to, known);
    else referrers.delete(to);
  }
}

/** Rules and rule lists by their names, as those look them up that find circles. */
interface RuleTables {
  readonly rulelists: Sink<Owned<RuleList>>;
  readonly rules: Sink<Owned<Rule>>;
}

interface Sink<T> {
  set(name: string, value: T): unknown;
}

/** Puts the rules and rule lists among an object's parts into tables. */
export function takeRules({ rulelists, rules }: RuleTables, parts: readonly Part[]): void {
  const ours = { owner: undefined, source: 'controlplane' } as const;
  for (const { kind, name, value } of parts) {
    if (kind === 'RuleList') rulelists.set(name, { value: value as RuleList, ...ours });
    if (kind === 'Rule') rules.set(name, { value: value as Rule, ...ours });
  }
}

type DraftOf<T> = T extends Table<infer K, infer V> ? Draft<K, V> : never;

function copyOf<T>(set: Set<T>): Set<T> {
  return new Set(set);
}

type Lookup<T> = Pick<Table<string, T>, 'get'>;

/** Finds in the first map that has it; as a map it is empty. */
class Lookups<T> extends Map<string, T> {
  private readonly maps: readonly (Lookup<T> | undefined)[];

  constructor(maps: readonly (Lookup<T> | undefined)[]) {
    super();
    this.maps = maps;
  }

  override get(name: string): T | undefined {
    for (const map of this.maps) {
      const found = map?.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
