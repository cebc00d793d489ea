/** What the API server holds, as far as it is watched: a table for each kind, and one word of what changed in all of them. */
import type { KubeKinds, KubeReader } from '../api/reader.ts';
import { type IndexFunction, keyOf, Table } from './table.ts';

export type KindName = keyof KubeKinds;

/** Index functions by kind and name. */
export type Indexes = {
  readonly [Kind in KindName]?: Readonly<Record<string, IndexFunction<KubeKinds[Kind]>>>;
};

/** Keys (`namespace/name`) by kind. A kind that came or went is there, with whatever keys. */
export type Changes = ReadonlyMap<KindName, ReadonlySet<string>>;

export interface IndexerOptions {
  readonly indexes?: Indexes;
  /** For how long changes are gathered after the first, in ms. 10 when absent. */
  readonly gatherMs?: number;
}

const GATHER_MS = 10;

export class Indexer implements KubeReader {
  readonly #indexes: Indexes;
  readonly #gatherMs: number;
  /** Those that the server has. */
  readonly #tables = new Map<KindName, Table>();
  readonly #listeners = new Set<(changes: Changes) => void>();
  #changes = new Map<KindName, Set<string>>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ indexes = {}, gatherMs = GATHER_MS }: IndexerOptions = {}) {
    this.#indexes = indexes;
    this.#gatherMs = gatherMs;
  }

  get<Kind extends keyof KubeKinds>(kind: Kind, namespace: string, name: string): KubeKinds[Kind] | undefined {
    return this.#tables.get(kind)?.get(keyOf(namespace, name)) as KubeKinds[Kind] | undefined;
  }

  list<Kind extends keyof KubeKinds>(kind: Kind): Iterable<KubeKinds[Kind]> {
    return (this.#tables.get(kind)?.values() ?? []) as Iterable<KubeKinds[Kind]>;
  }

  /** By an index of the kind. @throws RangeError: there is no such index. */
  by<Kind extends keyof KubeKinds>(kind: Kind, index: string, value: string): Iterable<KubeKinds[Kind]> {
    return (this.#tables.get(kind)?.by(index, value) ?? []) as Iterable<KubeKinds[Kind]>;
  }

  has(kind: keyof KubeKinds): boolean {
    return this.#tables.has(kind);
  }

  size(kind: keyof KubeKinds): number {
    return this.#tables.get(kind)?.size ?? 0;
  }

  /** The server has the kind: what is in it goes to its table. */
  open(kind: KindName): Table {
    let table = this.#tables.get(kind);
    if (!table) {
      const indexes = (this.#indexes[kind] ?? {}) as Readonly<Record<string, IndexFunction>>;
      table = new Table(indexes, (key) => this.#changed(kind).add(key));
      this.#tables.set(kind, table);
      this.#changed(kind);
    }
    return table;
  }

  /** The server has the kind no more, and nothing of it. */
  drop(kind: KindName): void {
    if (this.#tables.delete(kind)) this.#changed(kind);
  }

  /** Hears of changes, many together. Returns what ends it. */
  onChange(listener: (changes: Changes) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Nobody hears of changes any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  #changed(kind: KindName): Set<string> {
    this.#timer ??= setTimeout(() => this.#tell(), this.#gatherMs);
    let keys = this.#changes.get(kind);
    if (!keys) this.#changes.set(kind, (keys = new Set()));
    return keys;
  }

  #tell(): void {
    const changes = this.#changes;
    this.#changes = new Map();
    this.#timer = undefined;
    for (const listener of this.#listeners) listener(changes);
  }
}
