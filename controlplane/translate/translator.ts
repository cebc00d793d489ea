/** Objects to resources, in proportion to what changed. A bad object is set aside with its faults; its last good one stays. */
import { isDeepStrictEqual } from 'node:util';
import type { Fault } from '../../gen/messages.ts';
import { typeUrlOf } from '../../config/wire-kinds.ts';
import type { Resource } from '../core/resource.ts';
import { type Audience, audienceKey } from '../model/audience.ts';
import { checkEnvelope, decodeContent, type Part } from '../model/decode-content.ts';
import { type ConfigObject, idOf, isWireKind } from '../model/object.ts';
import type { Input, Translated, Translation, Verdict } from '../model/translated.ts';
import { type Claimant, Claims, comesBefore, resourceId } from './claims.ts';
import { encodeParts } from './encode.ts';

/** What an object says, decoded and encoded once. */
export interface Encoded {
  readonly parts: readonly Part[];
  readonly resources: readonly Resource[];
}

interface Good extends Claimant {
  readonly audience: Audience;
}

interface Entry {
  input: Input;
  good: Good | undefined;
  verdict: Verdict;
  emitted: Translated | undefined;
}

/** What an update has touched so far. */
interface Update {
  /** Inputs whose resources may have changed. */
  readonly dirty: Set<string>;
  readonly restated: Set<string>;
  /** Cached encodings that may have lost their last user. */
  readonly stale: Set<string>;
}

export class Translator {
  readonly claims = new Claims();
  private readonly entries = new Map<string, Entry>();
  /** Those whose faults are about other objects: they are looked at again when anything changes. */
  private readonly relational = new Set<Entry>();
  private readonly cache = new Map<string, Encoded>();
  /** Of the change that was looked at last, until it is made. */
  readonly prepared = new Map<string, Encoded>();
  /** Times that an object was encoded so far. */
  encodings = 0;

  /** Takes what looking at an object has given already. */
  prepare(object: ConfigObject, encoded: Encoded): void {
    this.prepared.set(cacheKey(object), encoded);
  }

  /** Takes a change of the objects over. */
  update(upsert: readonly Input[], remove: readonly string[]): Translation {
    const update: Update = { dirty: new Set(), restated: new Set(), stale: new Set() };
    const removed = new Map<string, Entry>();
    for (const id of remove) {
      const entry = this.entries.get(id);
      if (entry === undefined) continue;
      this.retract(entry, update);
      this.relational.delete(entry);
      this.entries.delete(id);
      removed.set(id, entry);
      update.restated.add(id);
    }
    for (const input of upsert.toSorted(inOrder)) {
      const { id } = input;
      let entry = this.entries.get(id);
      if (entry === undefined) {
        entry = { input, good: undefined, verdict: UNKNOWN, emitted: removed.get(id)?.emitted };
        this.entries.set(id, entry);
        removed.delete(id);
      }
      entry.input = input;
      update.restated.add(id);
      this.judge(entry, update);
    }
    if (update.dirty.size > 0) this.judgeRelated(update);
    this.forget(update);
    this.prepared.clear();
    return this.emit(update, removed);
  }

  /** Undefined for an input that there is not. */
  verdict(id: string): Verdict | undefined {
    return this.entries.get(id)?.verdict;
  }

  /** What the last good one of an input holds. */
  parts(id: string): readonly Part[] {
    return this.entries.get(id)?.good?.parts ?? [];
  }

  /** Objects whose faults are about others; and those that lose a name to one that comes before them. */
  private judgeRelated(update: Update): void {
    const again = (entry: Entry): void => {
      const { verdict } = entry;
      this.judge(entry, update);
      if (!isDeepStrictEqual(verdict, entry.verdict)) update.restated.add(entry.input.id);
    };
    const related = [...this.relational].sort((one, other) => inOrder(one.input, other.input));
    for (const entry of related) again(entry);
    const done = new Set<Entry>();
    // The set grows on the way; each loser is judged once.
    for (const id of update.dirty) {
      const good = this.entries.get(id)?.good;
      for (const holder of good ? this.rivals(good) : []) {
        const entry = this.entries.get(holder.input);
        if (!good || !entry || done.has(entry) || !comesBefore(good.object, holder.object)) continue;
        done.add(entry);
        again(entry);
      }
    }
  }

  /** Others that have a name which this one has, too. */
  private *rivals({ object, resources }: Claimant): Iterable<Claimant> {
    for (const resource of resources) {
      for (const holder of [...this.claims.of(resourceId(resource))]) if (holder.object.id !== object.id) yield holder;
    }
  }

  private judge(entry: Entry, update: Update): void {
    const { object, audience, id } = entry.input;
    const { good } = entry;
    this.retract(entry, update); // its own rules must not count as those of others
    const { encoded, faults, relational } = this.encode(object);
    const clashes = encoded === undefined ? [] : this.clashes(object, encoded);
    const all = [...faults, ...clashes];
    entry.verdict = { accepted: all.length === 0, faults: all };
    if (relational || clashes.length > 0) this.relational.add(entry);
    else this.relational.delete(entry);
    update.stale.add(cacheKey(object));
    entry.good = encoded !== undefined && all.length === 0 ? { input: id, object, audience, ...encoded } : good;
    if (entry.good) this.claims.add(entry.good);
  }

  /** Takes the names of an entry back. */
  private retract(entry: Entry, { dirty, stale }: Update): void {
    const { input, good } = entry;
    dirty.add(input.id);
    if (good === undefined) return;
    for (const rival of this.rivals(good)) dirty.add(rival.input);
    this.claims.delete(good);
    stale.add(cacheKey(good.object));
  }

  private encode(object: ConfigObject): {
    readonly encoded?: Encoded;
    readonly faults: readonly Fault[];
    readonly relational: boolean;
  } {
    const wrong = object.faults ?? [];
    if (wrong.length > 0) return { faults: wrong, relational: false };
    const key = cacheKey(object);
    const cached = this.cache.get(key) ?? this.prepared.get(key);
    if (cached) {
      this.cache.set(key, cached);
      return { encoded: cached, faults: [], relational: false };
    }
    const envelope = checkEnvelope(object);
    if (envelope.length > 0) return { faults: envelope, relational: false };
    const contents = decodeContent(object, this.claims.others());
    if (contents.parts === undefined) {
      const alone = decodeContent(object, new Claims().others());
      return { faults: contents.faults, relational: alone.parts !== undefined };
    }
    try {
      this.encodings++;
      const encoded = { parts: contents.parts, resources: encodeParts(object, contents.parts) };
      this.cache.set(key, encoded);
      return { encoded, faults: [], relational: false };
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return { faults: [{ path: '', expected: 'what can be encoded', found }], relational: false };
    }
  }

  private clashes(object: ConfigObject, { resources }: Encoded): Fault[] {
    return resources.flatMap((resource) => {
      const winner = this.claims.winner(resourceId(resource), object);
      return winner === undefined ? [] : [clash(object, resource, winner)];
    });
  }

  /** Drops the encodings that no entry uses any more. */
  private forget({ stale }: Update): void {
    for (const key of stale) {
      const encoded = this.cache.get(key);
      const [resource] = encoded?.resources ?? [];
      const holders = resource ? [...this.claims.of(resourceId(resource))] : [];
      if (!holders.some(({ object }) => cacheKey(object) === key)) this.cache.delete(key);
    }
  }

  private emit({ dirty, restated }: Update, removed: ReadonlyMap<string, Entry>): Translation {
    const upsert: Translated[] = [];
    const remove = [...removed].flatMap(([id, { emitted }]) => (emitted ? [id] : []));
    for (const id of dirty) {
      const entry = this.entries.get(id);
      if (entry?.good === undefined) {
        if (entry?.emitted) remove.push(id);
        if (entry) entry.emitted = undefined;
        continue;
      }
      const { object, audience, resources } = entry.good;
      const own = resources.filter((resource) => this.claims.wins(resourceId(resource), object));
      const translated: Translated = { id, key: object.key, version: object.version, audience, resources: own };
      if (entry.emitted && isSame(entry.emitted, translated)) continue;
      entry.emitted = translated;
      upsert.push(translated);
    }
    return { upsert, remove, restated: [...restated] };
  }
}

const UNKNOWN: Verdict = { accepted: false, faults: [] };

function inOrder(one: Input, other: Input): number {
  if (one.object.id === other.object.id && one.object.source === other.object.source) return 0;
  return comesBefore(one.object, other.object) ? -1 : 1;
}

function cacheKey({ id, version }: ConfigObject): string {
  return `${id}@${version}`;
}

export function clash(object: ConfigObject, resource: Resource, winner: ConfigObject): Fault {
  const kind = resource.typeUrl.slice(resource.typeUrl.lastIndexOf('.') + 1);
  const named = isWireKind(object.key.kind) ? typeUrlOf(object.key.kind) : object.key.kind;
  const itself = resource.name === object.key.name && resource.typeUrl === named;
  return {
    path: itself ? 'name' : '',
    expected: itself ? `a name that no other ${kind} has` : `no other ${kind} "${resource.name}"`,
    found: `"${resource.name}", which ${idOf(winner.key)} (${winner.source}) has`,
  };
}

function isSame(one: Translated, other: Translated): boolean {
  return (
    one.version === other.version &&
    one.resources.length === other.resources.length &&
    one.resources.every((resource, index) => resource.version === other.resources[index]?.version) &&
    audienceKey(one.audience) === audienceKey(other.audience)
  );
}
