/** What a response holds, apart from its nonce: made once, shared by all streams that are sent it. */
import type { Resource, ResourceKey } from '../core/resource.ts';

export class Body {
  readonly parts: readonly Buffer[];
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
  #versions: ReadonlyMap<string, string> | undefined;
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

  /** What clients will want because of these resources (rule 8). */
  get companions(): readonly ResourceKey[] {
    this.#companions ??= this.resources.flatMap(({ companion }) => (companion === undefined ? [] : [companion]));
    return this.#companions;
  }
}
