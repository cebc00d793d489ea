/**
 * What proxies hold, in memory that proxies share: those that are told the same come to hold the same. A state is
 * immutable and remembers the states that came after it, so that 2,000 proxies with 10,000 resources each are a few maps.
 */
import type { Resource } from '../core/resource.ts';
import { shortHash } from '../model/canonical.ts';
import { resourceId } from '../model/resource-id.ts';
import { particularsOf } from '../model/resource-types.ts';

let serials = 0;

/** The versions of one type that were taken, by name. */
export class Acked {
  static readonly none = new Acked(new Map());
  readonly serial = ++serials;
  readonly versions: ReadonlyMap<string, string>;
  private readonly next = new WeakMap<object, { readonly removed: string; readonly state: Acked }>();

  private constructor(versions: ReadonlyMap<string, string>) {
    this.versions = versions;
  }

  /** The state after an ACK. Maps of versions are told apart by identity: whoever shares them shares states. */
  after(versions: ReadonlyMap<string, string>, removed: readonly string[]): Acked {
    const key = removed.join('\n');
    const known = this.next.get(versions);
    if (known?.removed === key) return known.state;
    const state = new Acked(this.with(versions, removed));
    this.next.set(versions, { removed: key, state });
    return state;
  }

  private with(versions: ReadonlyMap<string, string>, removed: readonly string[]): ReadonlyMap<string, string> {
    if (this.versions.size === 0 && removed.length === 0) return versions;
    const all = new Map(this.versions);
    for (const [name, version] of versions) all.set(name, version);
    for (const name of removed) all.delete(name);
    return all;
  }
}

/** Whether what was taken, by type URL, has the resource in its version. */
export function holds(acked: ReadonlyMap<string, Acked>, { typeUrl, name, version }: Resource): boolean {
  return acked.get(typeUrl)?.versions.get(name) === version;
}

/** How a resource fares in a proxy. */
export interface Fact {
  readonly version: string;
  readonly state: string;
}

/** A report, or what it says of one resource. */
export interface Reported {
  readonly key: string;
  readonly version: string;
  readonly state: string;
}

/** What a fact takes beside its texts, in characters. */
const OVERHEAD = 64;

/** How all resources fare, by their keys. */
export class Facts {
  static readonly none = new Facts(new Map());
  readonly serial = ++serials;
  readonly facts: ReadonlyMap<string, Fact>;
  /** What they take, in characters. */
  readonly size: number = 0;
  private readonly next = new Map<string, WeakRef<Facts>>();

  private constructor(facts: ReadonlyMap<string, Fact>) {
    this.facts = facts;
    for (const [key, { version }] of facts) this.size += OVERHEAD + key.length + version.length;
  }

  /** Whether the resource does its work in this version, as far as those of its type have any. */
  serves(resource: Resource): boolean {
    const fact = this.facts.get(resourceId(resource));
    if (fact?.version !== resource.version) return false;
    return fact.state === 'serving' || (fact.state === 'accepted' && !particularsOf(resource.typeUrl).works);
  }

  after(reports: readonly Reported[]): Facts {
    const digest = shortHash(JSON.stringify(reports));
    const known = this.next.get(digest)?.deref();
    if (known) return known;
    const facts = new Map(this.facts);
    for (const { key, version, state } of reports) {
      if (state === 'removed') facts.delete(key);
      else facts.set(key, { version, state });
    }
    const made = new Facts(facts);
    if (this.next.size >= 1000) for (const [each, ref] of this.next) if (!ref.deref()) this.next.delete(each);
    if (this.next.size < 1000) this.next.set(digest, new WeakRef(made));
    return made;
  }
}
