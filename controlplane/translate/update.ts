/** What a change of the objects comes to: who is good, who has which name, and which resources are others then. */
import { isDeepStrictEqual } from 'node:util';
import { Slices } from '../../common/slices.ts';
import type { Fault } from '../../gen/messages.ts';
import { type Audience, audienceKey } from '../model/audience.ts';
import type { Draft } from '../model/draft.ts';
import type { ConfigObject } from '../model/object.ts';
import { resourceId } from '../model/resource-id.ts';
import type { Input, Translated, Translation, Verdict } from '../model/translated.ts';
import { clash } from './clash.ts';
import { type Claimant, type ClaimsDraft, comesBefore } from './claims.ts';
import type { Encoded } from './encode.ts';
import type { Encodings } from './encodings.ts';

/** The last version of an input that can be used. */
export interface Good extends Claimant, Encoded {
  readonly audience: Audience;
}

/** An input, and what came of it. */
export interface Entry {
  readonly input: Input;
  /** The last good one. */
  readonly good: Good | undefined;
  readonly verdict: Verdict;
  readonly emitted: Translated | undefined;
}

export interface Drafts {
  readonly claims: ClaimsDraft;
  readonly entries: Draft<string, Entry>;
  readonly relational: Draft<string, true>;
}

const UNKNOWN: Verdict = { accepted: false, faults: [] };

export class Update {
  private readonly drafts: Drafts;
  private readonly encodings: Encodings;
  private readonly slices = new Slices();
  /** Inputs whose resources may have changed. */
  private readonly dirty = new Set<string>();
  private readonly restated = new Set<string>();
  /** Those whose encodings may have lost their last user. */
  private readonly stale = new Set<ConfigObject>();
  /** What is gone, unless it comes back under its id. */
  private readonly removed = new Map<string, Entry>();

  constructor(drafts: Drafts, encodings: Encodings) {
    this.drafts = drafts;
    this.encodings = encodings;
  }

  async run(upsert: readonly Input[], remove: readonly string[]): Promise<Translation> {
    await this.each(remove, (id) => this.take(id));
    await this.each(upsert.toSorted(inOrder), (input) => this.put(input));
    if (this.dirty.size > 0) await this.judgeRelated();
    await this.each(this.stale, (object) => this.encodings.release(object, this.drafts.claims));
    return await this.emit();
  }

  /** One after the other; what is added on the way has its turn, too. */
  private async each<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
    for (const item of items) {
      work(item);
      if (this.slices.isOver) await this.slices.next();
    }
  }

  private take(id: string): void {
    const { entries, relational } = this.drafts;
    const entry = entries.get(id);
    if (entry === undefined) return;
    this.retract(entry);
    relational.delete(id);
    entries.delete(id);
    this.removed.set(id, entry);
    this.restated.add(id);
  }

  private put(input: Input): void {
    const { id } = input;
    const known = this.drafts.entries.get(id);
    const emitted = known ? known.emitted : this.removed.get(id)?.emitted;
    this.removed.delete(id);
    this.restated.add(id);
    this.judge({ input, good: known?.good, verdict: known?.verdict ?? UNKNOWN, emitted });
  }

  /** Objects whose faults are about others; and those that lose a name to one that comes before them. */
  private async judgeRelated(): Promise<void> {
    const { entries, relational } = this.drafts;
    const again = (entry: Entry): void => {
      const { verdict } = this.judge(entry);
      if (!isDeepStrictEqual(verdict, entry.verdict)) this.restated.add(entry.input.id);
    };
    const related = [...relational.keys()].flatMap((id) => entries.get(id) ?? []);
    related.sort((one, other) => inOrder(one.input, other.input));
    await this.each(related, again);
    const done = new Set<string>();
    // The set grows on the way; each loser is judged once.
    await this.each(this.dirty, (id) => {
      const good = entries.get(id)?.good;
      for (const holder of good ? this.rivals(good) : []) {
        const entry = entries.get(holder.input);
        if (!good || !entry || done.has(holder.input) || !comesBefore(good.object, holder.object)) continue;
        done.add(holder.input);
        again(entry);
      }
    });
  }

  /** Others that have a name which this one has, too. */
  private *rivals({ object, resources }: Claimant): Iterable<Claimant> {
    for (const resource of resources) {
      for (const holder of [...this.drafts.claims.of(resourceId(resource))]) {
        if (holder.object.id !== object.id) yield holder;
      }
    }
  }

  private judge(entry: Entry): Entry {
    const { claims, entries, relational } = this.drafts;
    const { object, audience, id } = entry.input;
    this.retract(entry); // its own rules must not count as those of others
    const { encoded, faults, relational: isRelational } = this.encodings.of(object, claims);
    const clashes = encoded === undefined ? [] : this.clashes(object, encoded);
    const all = [...faults, ...clashes];
    if (isRelational || clashes.length > 0) relational.set(id, true);
    else relational.delete(id);
    this.stale.add(object);
    const good = encoded !== undefined && all.length === 0 ? { input: id, object, audience, ...encoded } : entry.good;
    if (good) claims.add(good);
    const judged = { ...entry, good, verdict: { accepted: all.length === 0, faults: all } };
    entries.set(id, judged);
    return judged;
  }

  /** Takes the names of an entry back. */
  private retract({ input, good }: Entry): void {
    this.dirty.add(input.id);
    if (good === undefined) return;
    for (const rival of this.rivals(good)) this.dirty.add(rival.input);
    this.drafts.claims.delete(good);
    this.stale.add(good.object);
  }

  private clashes(object: ConfigObject, { resources }: Encoded): Fault[] {
    return resources.flatMap((resource) => {
      const winner = this.drafts.claims.winner(resourceId(resource), object);
      return winner === undefined ? [] : [clash(object, resource, winner)];
    });
  }

  private async emit(): Promise<Translation> {
    const { claims, entries } = this.drafts;
    const upsert: Translated[] = [];
    const remove = [...this.removed].flatMap(([id, { emitted }]) => (emitted ? [id] : []));
    await this.each(this.dirty, (id) => {
      const entry = entries.get(id);
      if (entry?.good === undefined) {
        if (entry?.emitted) {
          remove.push(id);
          entries.set(id, { ...entry, emitted: undefined });
        }
        return;
      }
      const { object, audience, resources } = entry.good;
      const own = resources.filter((resource) => claims.wins(resourceId(resource), object));
      const { key, version } = object;
      const translated = { id, key, version, audience, audienceKey: audienceKey(audience), resources: own };
      if (entry.emitted && isSame(entry.emitted, translated)) return;
      entries.set(id, { ...entry, emitted: translated });
      upsert.push(translated);
    });
    return { upsert, remove, restated: [...this.restated] };
  }
}

function inOrder(one: Input, other: Input): number {
  if (one.object.id === other.object.id && one.object.source === other.object.source) return 0;
  return comesBefore(one.object, other.object) ? -1 : 1;
}

function isSame(one: Translated, other: Translated): boolean {
  return (
    one.version === other.version &&
    one.audienceKey === other.audienceKey &&
    one.resources.length === other.resources.length &&
    one.resources.every((resource, index) => resource.version === other.resources[index]?.version)
  );
}
