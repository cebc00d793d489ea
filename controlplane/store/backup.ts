/**
 * Backups: all entries of a store as text, the same for every store, so that one moves to another. JSON, one to a line:
 *
 *     {"format":"l7mp-backup","version":1,"revision":7,"entries":2}
 *     {"key":"a","value":"<base64>"}
 *     {"key":"b","value":"<base64>"}
 *     {"sha256":"<of all lines before>"}
 */
import { createHash, type Hash } from 'node:crypto';
import { type Entry, type Store, StoreError } from '../core/store.ts';
import { checkEntries } from './limits.ts';

/** The most that is read of a backup, in characters; a store's quota is far below. */
const MAX_CHARACTERS = 4 * 1024 ** 3;
/** The longest line: the largest value in base64, with the longest key. */
const MAX_LINE = 2 * 1024 * 1024;
/** About how much is written at once. */
const CHUNK = 64 * 1024;

/** What a backup was restored to. */
export interface Restored {
  readonly keys: readonly string[];
  readonly revision: number;
}

interface Head {
  readonly format: 'l7mp-backup';
  readonly version: 1;
  readonly revision: number;
  readonly entries: number;
}

/**
 * Writes all entries as of one revision, and returns that revision. `write` is awaited: a slow reader holds it back.
 *
 * @throws StoreError; what `write` throws.
 */
export async function backup(store: Store, write: (text: string) => void | Promise<void>): Promise<number> {
  const { entries, revision } = await store.list('');
  const hash = createHash('sha256');
  const head: Head = { format: 'l7mp-backup', version: 1, revision, entries: entries.length };
  let chunk = `${JSON.stringify(head)}\n`;
  for (const { key, value } of entries) {
    chunk += `${JSON.stringify({ key, value: value.toString('base64') })}\n`;
    if (chunk.length < CHUNK) continue;
    hash.update(chunk);
    await write(chunk);
    chunk = '';
  }
  hash.update(chunk);
  await write(`${chunk}${JSON.stringify({ sha256: hash.digest('hex') })}\n`);
  return revision;
}

/**
 * Reads a backup, and puts it in the place of all that the store has: nothing is changed before all of it was read and
 * checked, and then it is there at once (see `Store.replace`).
 *
 * @returns the keys that there are from a revision on.
 * @throws StoreError `CORRUPT` for what is no whole backup; as `Store.replace`.
 */
export async function restore(
  store: Store,
  read: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): Promise<Restored> {
  const reader = new BackupReader();
  for await (const line of linesOf(read)) reader.add(line);
  const entries = reader.finish();
  return { keys: entries.map(({ key }) => key), revision: await store.replace(entries) };
}

class BackupReader {
  readonly #hash: Hash = createHash('sha256');
  readonly #entries: Pick<Entry, 'key' | 'value'>[] = [];
  #line = 0;
  #head: Head | undefined;
  #isWhole = false;

  add(line: string): void {
    this.#line += 1;
    if (this.#isWhole) throw this.#corrupt('expected nothing after the checksum');
    const fields = this.#parse(line);
    const { key, value, sha256 } = fields;
    if (!this.#head) {
      this.#head = this.#headOf(fields);
    } else if (sha256 !== undefined) {
      this.#end(sha256);
      return;
    } else if (typeof key === 'string' && typeof value === 'string') {
      const bytes = Buffer.from(value, 'base64');
      if (bytes.toString('base64') !== value) throw this.#corrupt('expected a value in base64');
      this.#entries.push({ key, value: bytes });
    } else {
      throw this.#corrupt('expected a key and a value, or the checksum');
    }
    this.#hash.update(`${line}\n`);
  }

  /** Its entries. @throws StoreError `CORRUPT` where its end is missing. */
  finish(): readonly Pick<Entry, 'key' | 'value'>[] {
    if (!this.#isWhole) throw this.#corrupt('expected more: its end is missing');
    try {
      checkEntries(this.#entries);
    } catch (error) {
      throw new StoreError('CORRUPT', `this is no backup: ${(error as Error).message}`, error);
    }
    return this.#entries;
  }

  #headOf(fields: Readonly<Record<string, unknown>>): Head {
    if (fields['format'] !== 'l7mp-backup') throw this.#corrupt('expected the head of a backup');
    if (fields['version'] !== 1) throw this.#corrupt(`expected version 1, found ${JSON.stringify(fields['version'])}`);
    return fields as unknown as Head;
  }

  #end(sha256: unknown): void {
    const expected = this.#head?.entries;
    if (this.#entries.length !== expected) {
      throw this.#corrupt(`expected ${expected} entries, found ${this.#entries.length}`);
    }
    const found = this.#hash.digest('hex');
    if (sha256 !== found) throw this.#corrupt(`the checksum is of something else: it was changed (${found})`);
    this.#isWhole = true;
  }

  #parse(line: string): Readonly<Record<string, unknown>> {
    try {
      const parsed = JSON.parse(line) as unknown;
      if (typeof parsed === 'object' && parsed !== null) return parsed as Readonly<Record<string, unknown>>;
    } catch {
      // Told below, as what is no object.
    }
    throw this.#corrupt('expected a JSON object');
  }

  #corrupt(fault: string): StoreError {
    return new StoreError('CORRUPT', `this is no whole backup: line ${this.#line}: ${fault}; nothing was changed`);
  }
}

async function* linesOf(
  read: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let total = 0;
  for await (const chunk of read) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    total += text.length;
    // Only what is new is looked through: a line may come in very many pieces.
    const [first = '', ...others] = text.split('\n');
    rest += first;
    for (const other of others) {
      yield rest;
      rest = other;
    }
    if (rest.length > MAX_LINE || total > MAX_CHARACTERS) {
      throw new StoreError('CORRUPT', 'this is no backup: it is too long; nothing was changed');
    }
  }
  if (rest !== '') yield rest;
}
