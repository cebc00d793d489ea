/** A change of tables that is made step by step, and seen by nobody else before it is whole. */

/** What a `Map` is to whoever asks for keys and changes them one by one. */
export interface Table<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): unknown;
  delete(key: K): boolean;
  keys(): Iterable<K>;
}

/** What a table is to readers. */
export type ReadonlyTable<K, V> = Pick<Table<K, V>, 'get' | 'has' | 'keys'>;

/** A table as it will be: what changed, on top of one that stays as it is until `commit`. */
export class Draft<K, V> implements Table<K, V> {
  private readonly base: Table<K, V>;
  /** Undefined: it goes. */
  private readonly changed = new Map<K, V | undefined>();

  constructor(base: Table<K, V>) {
    this.base = base;
  }

  get(key: K): V | undefined {
    return this.changed.get(key) ?? (this.changed.has(key) ? undefined : this.base.get(key));
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): this {
    this.changed.set(key, value);
    return this;
  }

  delete(key: K): boolean {
    const had = this.has(key);
    if (this.base.has(key)) this.changed.set(key, undefined);
    else this.changed.delete(key);
    return had;
  }

  *keys(): Iterable<K> {
    for (const key of this.base.keys()) if (!this.changed.has(key)) yield key;
    for (const [key, value] of this.changed) if (value !== undefined) yield key;
  }

  /** The value of a key, which may be changed in place: a copy where the table below has it. */
  own(key: K, copy: (value: V) => V): V | undefined {
    const value = this.get(key);
    if (value === undefined || this.changed.has(key)) return value;
    const made = copy(value);
    this.changed.set(key, made);
    return made;
  }

  /** Makes the change. That takes a moment, however long it took to find out. */
  commit(): void {
    for (const [key, value] of this.changed) {
      if (value === undefined) this.base.delete(key);
      else this.base.set(key, value);
    }
    this.changed.clear();
  }
}
