/** Entries by name, of which those are kept that were used last. */

/** Beyond the limit the entry goes that was not touched for the longest. */
export class Recent<T> {
  readonly entries: Map<string, T>;
  private readonly limit: number;
  private newest: string | undefined;

  /** `entries`: what there is at first, the most recent last. */
  constructor(limit: number, entries: Iterable<readonly [string, T]> = []) {
    this.limit = limit;
    this.entries = new Map(entries);
  }

  /** The entry of a name, made where there is none: it becomes the most recent one. */
  touch(name: string, make: () => T): T {
    const known = this.entries.get(name);
    if (known !== undefined && name === this.newest) return known;
    const entry = known ?? make();
    this.put(name, entry);
    return entry;
  }

  /** In the place of what there was by this name. */
  put(name: string, entry: T): void {
    this.newest = name;
    this.entries.delete(name);
    this.entries.set(name, entry);
    if (this.entries.size <= this.limit) return;
    const [oldest = ''] = this.entries.keys();
    this.entries.delete(oldest);
  }
}
