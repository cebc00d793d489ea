/** Objects to resources, in proportion to what changed. A bad object is set aside with its faults; its last good one stays. */
import type { Fault } from '../../gen/messages.ts';
import { Draft } from '../model/draft.ts';
import type { ConfigObject } from '../model/object.ts';
import type { Input, Translation, Verdict } from '../model/translated.ts';
import { Claims } from './claims.ts';
import type { Encoded } from './encode.ts';
import { Encodings } from './encodings.ts';
import { danglingOf } from './references.ts';
import { type Entry, type Good, Update } from './update.ts';

/** A change of the objects that was thought through, and is not made yet. */
export interface Staged {
  readonly translation: Translation;
  /** Makes it, in one go. No other may have been made since it was staged. */
  readonly commit: () => void;
}

export class Translator {
  readonly claims = new Claims();
  private readonly entries = new Map<string, Entry>();
  /** Those whose faults are about other objects: they are looked at again when anything changes. */
  private readonly relational = new Map<string, true>();
  private readonly cache = new Encodings();

  /** Times that an object was encoded so far. */
  get encodings(): number {
    return this.cache.count;
  }

  /** Takes what looking at an object has given already, until the next change is staged. */
  prepare(object: ConfigObject, encoded: Encoded): void {
    this.cache.prepare(object, encoded);
  }

  forgetPrepared(): void {
    this.cache.forgetPrepared();
  }

  /** Finds out what a change of the objects comes to, with pauses for others, who see none of it before it is made. */
  async stage(upsert: readonly Input[], remove: readonly string[]): Promise<Staged> {
    const drafts = {
      claims: this.claims.draft(),
      entries: new Draft(this.entries),
      relational: new Draft(this.relational),
    };
    const translation = await new Update(drafts, this.cache).run(upsert, remove);
    return {
      translation,
      commit: () => {
        for (const draft of Object.values(drafts)) draft.commit();
        this.cache.forgetPrepared();
      },
    };
  }

  /** Undefined for an input that there is not. */
  verdict(id: string): Verdict | undefined {
    return this.entries.get(id)?.verdict;
  }

  /** Of the last good one of an input; undefined where there is none. */
  good(id: string): Good | undefined {
    return this.entries.get(id)?.good;
  }

  /** The last good ones of all inputs. */
  *allGood(): Iterable<Good> {
    for (const { good } of this.entries.values()) if (good) yield good;
  }

  /** The names in an input that nothing has. What has faults is not looked at. */
  warnings(id: string): readonly Fault[] {
    const { verdict, good } = this.entries.get(id) ?? {};
    return verdict?.accepted && good ? danglingOf(good.references, (name) => this.claims.has(name)) : [];
  }
}
