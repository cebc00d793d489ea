/** The objects of all sources: which one counts where several have a name, and what a rollout makes of it. */
import { type ConfigObject, idOf } from '../model/object.ts';
import { candidateInput, cohortsOf, isUnderWay, type RolloutRecord } from '../model/rollout-record.ts';
import type { Input } from '../model/translated.ts';

/** What the store holds. */
export interface ApiObjects {
  readonly objects: ReadonlyMap<string, ConfigObject>;
  readonly rollouts: ReadonlyMap<string, RolloutRecord>;
  readonly candidates: ReadonlyMap<string, ReadonlyMap<string, ConfigObject>>;
}

/** An object that does not count, and the source of that which does. */
export interface Shadowed {
  readonly object: ConfigObject;
  readonly by: string;
}

export class Inventory {
  private readonly api: ApiObjects;
  /** By object, in the order of their files. */
  private readonly files = new Map<string, ConfigObject[]>();
  private readonly bySource = new Map<string, ReadonlySet<string>>();
  /** Rollouts under way, by the objects that they change. */
  private readonly rolling = new Map<string, RolloutRecord>();
  private readonly rolled = new Map<string, RolloutRecord>();
  private readonly known = new Map<string, readonly Input[]>();

  constructor(api: ApiObjects) {
    this.api = api;
  }

  /** The object that counts, as it is without rollouts. */
  get(id: string): ConfigObject | undefined {
    return this.api.objects.get(id) ?? this.files.get(id)?.[0];
  }

  *objects(): Iterable<ConfigObject> {
    yield* this.api.objects.values();
    for (const [id, [object]] of this.files) if (object && !this.api.objects.has(id)) yield object;
  }

  *shadowed(): Iterable<Shadowed> {
    for (const [id, [first, ...rest]] of this.files) {
      const api = this.api.objects.has(id);
      if (api && first) yield { object: first, by: 'api' };
      for (const object of rest) yield { object, by: api ? 'api' : (first?.source ?? '') };
    }
  }

  /** Replaces the objects of a file. Gives back the ids of objects that it concerns. */
  setFile(source: string, objects: readonly ConfigObject[]): Set<string> {
    const concerned = new Set(this.bySource.get(source));
    for (const id of concerned) {
      const kept = this.files.get(id)?.filter((object) => object.source !== source) ?? [];
      if (kept.length === 0) this.files.delete(id);
      else this.files.set(id, kept);
    }
    this.bySource.set(source, new Set(objects.map(({ id }) => id)));
    for (const object of objects) {
      concerned.add(object.id);
      const list = [...(this.files.get(object.id) ?? []), object];
      this.files.set(
        object.id,
        list.sort((one, other) => (one.source < other.source ? -1 : 1)),
      );
    }
    return concerned;
  }

  /** Takes over that a rollout changed. Gives back the ids of objects that it concerns. */
  setRollout(id: string): Set<string> {
    const before = this.rolled.get(id);
    const now = this.api.rollouts.get(id);
    const concerned = new Set([...(before ? changedBy(before) : []), ...(now ? changedBy(now) : [])]);
    for (const objectId of concerned) if (this.rolling.get(objectId)?.id === id) this.rolling.delete(objectId);
    this.rolled.delete(id);
    if (now !== undefined && isUnderWay(now)) {
      this.rolled.set(id, now);
      for (const objectId of changedBy(now)) this.rolling.set(objectId, now);
    }
    return concerned;
  }

  /** What is to be translated after these objects changed. */
  changes(ids: Iterable<string>): { readonly upsert: Input[]; readonly remove: string[] } {
    const upsert: Input[] = [];
    const remove: string[] = [];
    for (const id of ids) {
      const inputs = this.inputsOf(id);
      const before = this.known.get(id) ?? [];
      if (inputs.length === 0) this.known.delete(id);
      else this.known.set(id, inputs);
      upsert.push(...inputs);
      for (const input of before) if (!inputs.some((each) => each.id === input.id)) remove.push(input.id);
    }
    return { upsert, remove };
  }

  private inputsOf(id: string): Input[] {
    const object = this.get(id);
    const rollout = this.rolling.get(id);
    if (rollout === undefined) {
      return object === undefined ? [] : [{ id, object, audience: { selector: object.selector } }];
    }
    const cohorts = cohortsOf(rollout);
    const candidate = this.api.candidates.get(rollout.id)?.get(id);
    const inputs: Input[] = [];
    if (object) inputs.push({ id, object, audience: { selector: object.selector, cohort: cohorts.old } });
    if (candidate) {
      const audience = { selector: candidate.selector, cohort: cohorts.new };
      inputs.push({ id: candidateInput(rollout.id, id), object: candidate, audience });
    }
    return inputs;
  }
}

function changedBy({ changes }: RolloutRecord): string[] {
  return changes.map(({ key }) => idOf(key));
}
