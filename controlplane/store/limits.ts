/** What every store takes: keys, values and transactions within limits. */
import { type Condition, type Entry, type Operation, StoreError } from '../core/store.ts';

/** The longest key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;
/** The largest value, in bytes. */
const MAX_VALUE_BYTES = 1024 * 1024;

/**
 * @throws StoreError `TOO_LARGE`.
 * @throws RangeError for what no store could take: an empty key, half a surrogate pair, a key that is there twice.
 */
export function checkTransaction(conditions: readonly Condition[], operations: readonly Operation[]): void {
  checkKeys(conditions);
  checkKeys(operations);
  for (const operation of operations) if (operation.type === 'put') checkValue(operation);
}

/** The same for the entries of a replacement. @throws as `checkTransaction`. */
export function checkEntries(entries: readonly Pick<Entry, 'key' | 'value'>[]): void {
  checkKeys(entries);
  for (const entry of entries) checkValue(entry);
}

function checkKeys(keyed: readonly { readonly key: string }[]): void {
  const seen = new Set<string>();
  for (const { key } of keyed) {
    const bytes = Buffer.from(key);
    if (bytes.length === 0) throw new RangeError('a key: expected at least one character, found none');
    if (bytes.length > MAX_KEY_BYTES) {
      const start = JSON.stringify(key.slice(0, 64));
      throw new StoreError(
        'TOO_LARGE',
        `key ${start}…: expected at most ${MAX_KEY_BYTES} bytes, found ${bytes.length}`,
      );
    }
    if (bytes.toString() !== key) throw new RangeError(`key ${JSON.stringify(key)}: expected whole characters`);
    if (seen.has(key)) throw new RangeError(`key ${JSON.stringify(key)}: expected once in a transaction, found twice`);
    seen.add(key);
  }
}

function checkValue({ key, value }: Pick<Entry, 'key' | 'value'>): void {
  if (value.length > MAX_VALUE_BYTES) {
    const found = `found ${value.length}`;
    throw new StoreError('TOO_LARGE', `the value of ${key}: expected at most ${MAX_VALUE_BYTES} bytes, ${found}`);
  }
}

/** Of keys and values together. */
export function bytesOf(operations: readonly { readonly key: string; readonly value?: Buffer }[]): number {
  return operations.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + (value?.length ?? 0), 0);
}
