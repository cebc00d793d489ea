/** Who has which name: each resource is one object's, that which comes first where several have it. */
import type { ConfigObjects, Owned } from '../../config/snapshot.ts';
import type { Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { Resource, ResourceKey } from '../core/resource.ts';
import type { Part } from '../model/decode-content.ts';
import type { ConfigObject } from '../model/object.ts';

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

export function resourceId({ typeUrl, name }: { readonly typeUrl: string; readonly name: string }): string {
  return `${typeUrl} ${name}`;
}

/** The API's objects before those of files; these in the order of files and of their keys. */
export function comesBefore(one: ConfigObject, other: ConfigObject): boolean {
  const api = one.source === 'api';
  if (api !== (other.source === 'api')) return api;
  return one.source === other.source ? one.id < other.id : one.source < other.source;
}

export class Claims {
  private readonly holders = new Map<string, Set<Claimant>>();
  /** By load assignment: the clusters that take their endpoints from it, by their ids. */
  private readonly referrers = new Map<string, Map<string, Referrer>>();
  private readonly rulelists = new Map<string, Owned<RuleList>>();
  private readonly rules = new Map<string, Owned<Rule>>();

  add(claimant: Claimant): void {
    for (const resource of claimant.resources) {
      const id = resourceId(resource);
      const holders = this.holders.get(id);
      if (holders) holders.add(claimant);
      else this.holders.set(id, new Set([claimant]));
      this.refer(resource, 1);
    }
    for (const { kind, name, value } of claimant.parts) {
      if (kind === 'RuleList')
        this.rulelists.set(name, { value: value as RuleList, owner: undefined, source: 'controlplane' });
      if (kind === 'Rule') this.rules.set(name, { value: value as Rule, owner: undefined, source: 'controlplane' });
    }
  }

  delete(claimant: Claimant): void {
    for (const resource of claimant.resources) {
      const id = resourceId(resource);
      const holders = this.holders.get(id);
      holders?.delete(claimant);
      if (holders?.size === 0) this.holders.delete(id);
      this.refer(resource, -1);
    }
    for (const { kind, name, value } of claimant.parts) {
      if (kind === 'RuleList' && this.rulelists.get(name)?.value === value) this.rulelists.delete(name);
      if (kind === 'Rule' && this.rules.get(name)?.value === value) this.rules.delete(name);
    }
  }

  has(id: string): boolean {
    return this.holders.has(id);
  }

  /** Whose companion a resource is: who has one of those comes to ask for it. */
  *referrersOf(resource: ResourceKey): Iterable<ResourceKey> {
    for (const { key } of this.referrers.get(resourceId(resource))?.values() ?? []) yield key;
  }

  private refer({ typeUrl, name, companion }: Resource, by: number): void {
    if (companion === undefined) return;
    const [to, from] = [resourceId(companion), resourceId({ typeUrl, name })];
    const referrers = this.referrers.get(to) ?? new Map<string, Referrer>();
    const claims = (referrers.get(from)?.claims ?? 0) + by;
    if (claims > 0) referrers.set(from, { key: { typeUrl, name }, claims });
    else referrers.delete(from);
    if (referrers.size > 0) this.referrers.set(to, referrers);
    else this.referrers.delete(to);
  }

  /** All that have a name. */
  of(id: string): Iterable<Claimant> {
    return this.holders.get(id) ?? [];
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
      rulelists: new Lookups([overlay.rulelists, this.rulelists]),
      rules: new Lookups([overlay.rules, this.rules]),
    };
  }
}

type Lookup<T> = Pick<ReadonlyMap<string, T>, 'get'>;

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
