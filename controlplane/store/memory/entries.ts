/** The entries of now in memory, by key and in the order of keys' bytes. */
import type { Entry } from '../../core/store.ts';

/** What an entry takes beside its key and value, about. */
const OVERHEAD_BYTES = 128;

export function sizeOf({ key, value }: Pick<Entry, 'key' | 'value'>): number {
  return Buffer.byteLength(key) + value.length + OVERHEAD_BYTES;
}

/** The order of UTF-8's bytes, which is that of code points: surrogates stand for the highest ones. */
function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

export class Entries {
  /** What they take, in bytes. */
  bytes = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #keys: string[] = [];

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  put(entry: Entry): void {
    const old = this.#entries.get(entry.key);
    if (old) this.bytes -= sizeOf(old);
    else this.#keys.splice(this.#position(entry.key), 0, entry.key);
    this.#entries.set(entry.key, entry);
    this.bytes += sizeOf(entry);
  }

  delete(key: string): void {
    const old = this.#entries.get(key);
    if (!old) return;
    this.bytes -= sizeOf(old);
    this.#entries.delete(key);
    this.#keys.splice(this.#position(key), 1);
  }

  list(prefix: string): Entry[] {
    const found: Entry[] = [];
    for (let i = this.#position(prefix); i < this.#keys.length; i++) {
      const entry = this.#entries.get(this.#keys[i] ?? '');
      if (!entry?.key.startsWith(prefix)) break;
      found.push(entry);
    }
    return found;
  }

  /** Where a key is, or would be. */
  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    // Mostly they come in order: as they were written to the file.
    if (high > 0 && compareKeys(this.#keys[high - 1] ?? '', key) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? '', key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
