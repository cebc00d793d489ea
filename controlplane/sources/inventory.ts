/** The objects of all sources: which one counts where several have a name, and what a rollout makes of it. */
import { Slices } from '../../common/slices.ts';
import { Draft, type ReadonlyTable, type Table } from '../model/draft.ts';
import { type ConfigObject, idOf } from '../model/object.ts';
import { candidateInput, cohortsOf, isUnderWay, type RolloutRecord } from '../model/rollout-record.ts';
import type { Input } from '../model/translated.ts';

/** What the store holds. */
export interface ApiObjects {
  readonly objects: ReadonlyTable<string, ConfigObject>;
  readonly rollouts: ReadonlyTable<string, RolloutRecord>;
  readonly candidates: ReadonlyTable<string, ReadonlyMap<string, ConfigObject>>;
}

/** An object that does not count, and the source of that which does. */
export interface Shadowed {
  readonly object: ConfigObject;
  readonly by: string;
}

interface Tables {
  /** By object, in the order of their sources. */
  readonly others: Table<string, readonly ConfigObject[]>;
  readonly bySource: Table<string, ReadonlySet<string>>;
  /** Rollouts under way, by the objects that they change. */
  readonly rolling: Table<string, RolloutRecord>;
  readonly rolled: Table<string, RolloutRecord>;
  readonly known: Table<string, readonly Input[]>;
}

export class Inventory {
  private readonly api: ApiObjects;
  private readonly tables: Tables;

  constructor(
    api: ApiObjects,
    tables: Tables = {
      others: new Map(),
      bySource: new Map(),
      rolling: new Map(),
      rolled: new Map(),
      known: new Map(),
    },
  ) {
    this.api = api;
    this.tables = tables;
  }

  /** The inventory as it will be, where the store holds `api` then: others see what is done with it after `commit`. */
  draft(api: ApiObjects = this.api): { readonly inventory: Inventory; readonly commit: () => void } {
    const { others, bySource, rolling, rolled, known } = this.tables;
    const drafts = {
      others: new Draft(others),
      bySource: new Draft(bySource),
      rolling: new Draft(rolling),
      rolled: new Draft(rolled),
      known: new Draft(known),
    };
    const commit = (): void => {
      for (const draft of Object.values(drafts)) draft.commit();
    };
    return { inventory: new Inventory(api, drafts), commit };
  }

  /** The object that counts, as it is without rollouts. */
  get(id: string): ConfigObject | undefined {
    return this.api.objects.get(id) ?? this.tables.others.get(id)?.[0];
  }

  /** The rollout under way that changes an object, which need not be there yet. */
  rolloutOf(id: string): RolloutRecord | undefined {
    return this.tables.rolling.get(id);
  }

  /** Whether another source has an object of this id: it counts where the store has none. */
  isElsewhere(id: string): boolean {
    return this.tables.others.get(id) !== undefined;
  }

  *objects(): Iterable<ConfigObject> {
    const { objects } = this.api;
    for (const id of objects.keys()) {
      const object = objects.get(id);
      if (object) yield object;
    }
    for (const id of this.tables.others.keys()) {
      const [object] = this.tables.others.get(id) ?? [];
      if (object && !objects.has(id)) yield object;
    }
  }

  *shadowed(): Iterable<Shadowed> {
    for (const id of this.tables.others.keys()) {
      const [first, ...rest] = this.tables.others.get(id) ?? [];
      const api = this.api.objects.has(id);
      if (api && first) yield { object: first, by: 'api' };
      for (const object of rest) yield { object, by: api ? 'api' : (first?.source ?? '') };
    }
  }

  /** Replaces the objects of a source. Gives back the ids of objects that it concerns. */
  setSource(source: string, objects: readonly ConfigObject[]): Set<string> {
    const concerned = new Set(this.tables.bySource.get(source));
    for (const id of concerned) {
      const kept = this.tables.others.get(id)?.filter((object) => object.source !== source) ?? [];
      if (kept.length === 0) this.tables.others.delete(id);
      else this.tables.others.set(id, kept);
    }
    if (objects.length === 0) this.tables.bySource.delete(source);
    else this.tables.bySource.set(source, new Set(objects.map(({ id }) => id)));
    for (const object of objects) {
      concerned.add(object.id);
      const list = [...(this.tables.others.get(object.id) ?? []), object];
      this.tables.others.set(
        object.id,
        list.sort((one, other) => (one.source < other.source ? -1 : 1)),
      );
    }
    return concerned;
  }

  /** Takes over that a rollout changed. Gives back the ids of objects that it concerns. */
  setRollout(id: string): Set<string> {
    const before = this.tables.rolled.get(id);
    const now = this.api.rollouts.get(id);
    const concerned = new Set([...(before ? changedBy(before) : []), ...(now ? changedBy(now) : [])]);
    for (const objectId of concerned)
      if (this.tables.rolling.get(objectId)?.id === id) this.tables.rolling.delete(objectId);
    this.tables.rolled.delete(id);
    if (now !== undefined && isUnderWay(now)) {
      this.tables.rolled.set(id, now);
      for (const objectId of changedBy(now)) this.tables.rolling.set(objectId, now);
    }
    return concerned;
  }

  /** What is to be translated after these objects changed, found with pauses for others: of a draft. */
  async changes(ids: Iterable<string>): Promise<{ readonly upsert: Input[]; readonly remove: string[] }> {
    const upsert: Input[] = [];
    const remove: string[] = [];
    const slices = new Slices();
    for (const id of ids) {
      if (slices.isOver) await slices.next();
      const inputs = this.inputsOf(id);
      const before = this.tables.known.get(id) ?? [];
      if (inputs.length === 0) this.tables.known.delete(id);
      else this.tables.known.set(id, inputs);
      upsert.push(...inputs);
      for (const input of before) if (!inputs.some((each) => each.id === input.id)) remove.push(input.id);
    }
    return { upsert, remove };
  }

  private inputsOf(id: string): Input[] {
    const object = this.get(id);
    const rollout = this.tables.rolling.get(id);
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
