/** What a response holds, apart from its nonce: made once, shared by all streams that are sent it. */
import type { Resource, ResourceKey } from '../core/resource.ts';

export class Body {
  readonly parts: readonly Buffer[];
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
  #versions: ReadonlyMap<string, string> | undefined;
  /** The last found: most streams were sent the same before. */
  #gone: { readonly since: ReadonlyMap<string, string>; readonly names: readonly string[] } | undefined;
  #companions: readonly ResourceKey[] | undefined;

  constructor(parts: readonly Buffer[], resources: readonly Resource[], removed: readonly string[]) {
    this.parts = parts;
    this.resources = resources;
    this.removed = removed;
  }

  /** Made when a first stream answers: 2,000 answers to 10,000 resources share one map. */
  get versions(): ReadonlyMap<string, string> {
    this.#versions ??= new Map(this.resources.map(({ name, version }) => [name, version]));
    return this.#versions;
  }

  /** Names that another response had, of which this one is the complete successor. */
  goneSince(before: ReadonlyMap<string, string>): readonly string[] {
    if (this.#gone?.since === before) return this.#gone.names;
    const names = [...before.keys()].filter((name) => !this.versions.has(name));
    this.#gone = { since: before, names };
    return names;
  }

  /** What clients will want because of these resources (rule 8). */
  get companions(): readonly ResourceKey[] {
    this.#companions ??= this.resources.flatMap(({ companion }) => (companion === undefined ? [] : [companion]));
    return this.#companions;
  }
}
