/**
 * Backups: the entries of a store as text, the same for every store, so that one moves to another. What replicas say of their
 * proxies is none of it: that is of the moment, and they say it anew. JSON, one to a line:
 *
 *     {"format":"l7mp-backup","version":1,"revision":7,"entries":2}
 *     {"key":"a","value":"<base64>"}
 *     {"key":"b","value":"<base64>"}
 *     {"sha256":"<of all lines before>"}
 */
import { createHash, type Hash } from 'node:crypto';
import { type Entry, type Store, StoreError } from '../core/store.ts';
import { STATUS_PREFIX } from '../model/keys.ts';
import { checkEntries } from './limits.ts';

/** The most that is read of a backup, in characters; a store's quota is far below. */
const MAX_CHARACTERS = 4 * 1024 ** 3;
/** The longest line: the largest value in base64, with the longest key. */
const MAX_LINE_CHARACTERS = 2 * 1024 * 1024;
/** The most that is held until all was read, in bytes: twice what an embedded store takes. */
const MAX_HELD_BYTES = 1024 ** 3;
/** What an entry takes beside its key and value, about. */
const ENTRY_BYTES = 128;
/** About how much is written at once. */
const CHUNK_CHARACTERS = 64 * 1024;

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
 * Writes the entries as of one revision, and returns that revision. `write` is awaited: a slow reader holds it back.
 *
 * @throws StoreError; what `write` throws.
 */
export async function backup(store: Store, write: (text: string) => void | Promise<void>): Promise<number> {
  const { entries: all, revision } = await store.list('');
  const entries = all.filter(isKept);
  const hash = createHash('sha256');
  const head: Head = { format: 'l7mp-backup', version: 1, revision, entries: entries.length };
  let chunk = `${JSON.stringify(head)}\n`;
  for (const { key, value } of entries) {
    chunk += `${JSON.stringify({ key, value: value.toString('base64') })}\n`;
    if (chunk.length < CHUNK_CHARACTERS) continue;
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
  // Backups of earlier versions have what their replicas said, too.
  const entries = reader.finish().filter(isKept);
  return { keys: entries.map(({ key }) => key), revision: await store.replace(entries) };
}

function isKept({ key }: Pick<Entry, 'key'>): boolean {
  return !key.startsWith(STATUS_PREFIX);
}

class BackupReader {
  readonly #hash: Hash = createHash('sha256');
  readonly #entries: Pick<Entry, 'key' | 'value'>[] = [];
  #heldBytes = 0;
  #line = 0;
  #head: Head | undefined;
  #isWhole = false;

  add(line: string): void {
    this.#line += 1;
    if (this.#isWhole) throw this.#corrupt('nothing after the checksum', 'another line');
    const fields = this.#parse(line);
    const { key, value, sha256 } = fields;
    if (!this.#head) {
      this.#head = this.#headOf(fields);
    } else if (sha256 !== undefined) {
      this.#end(sha256);
      return;
    } else if (typeof key === 'string' && typeof value === 'string') {
      const bytes = Buffer.from(value, 'base64');
      if (bytes.toString('base64') !== value) throw this.#corrupt('a value in base64', 'other text');
      this.#hold({ key, value: bytes });
    } else {
      throw this.#corrupt('a key and a value, or the checksum', namesOf(fields));
    }
    this.#hash.update(`${line}\n`);
  }

  /** Its entries. @throws StoreError `CORRUPT` where its end is missing. */
  finish(): readonly Pick<Entry, 'key' | 'value'>[] {
    if (!this.#isWhole) throw this.#corrupt('the checksum', 'its end');
    try {
      checkEntries(this.#entries);
    } catch (error) {
      throw new StoreError('CORRUPT', `this is no backup: ${(error as Error).message}`, error);
    }
    return this.#entries;
  }

  #headOf(fields: Readonly<Record<string, unknown>>): Head {
    if (fields['format'] !== 'l7mp-backup') throw this.#corrupt('the head of a backup', namesOf(fields));
    const { version, entries } = fields;
    if (version !== 1) throw this.#corrupt('version 1', JSON.stringify(version));
    if (!Number.isSafeInteger(entries)) throw this.#corrupt('a number of entries', JSON.stringify(entries));
    return fields as unknown as Head;
  }

  /** No more than the head says, and than fits. */
  #hold(entry: Pick<Entry, 'key' | 'value'>): void {
    const announced = this.#head?.entries ?? 0;
    if (this.#entries.length >= announced) throw this.#corrupt(`${announced} entries`, 'another one');
    this.#heldBytes += ENTRY_BYTES + Buffer.byteLength(entry.key) + entry.value.length;
    if (this.#heldBytes > MAX_HELD_BYTES) {
      throw this.#corrupt(`at most ${MAX_HELD_BYTES} bytes of keys and values`, 'more');
    }
    this.#entries.push(entry);
  }

  #end(sha256: unknown): void {
    const expected = this.#head?.entries;
    if (this.#entries.length !== expected) {
      throw this.#corrupt(`${expected} entries`, `${this.#entries.length}`);
    }
    const found = this.#hash.digest('hex');
    if (sha256 !== found)
      throw this.#corrupt(`lines with the checksum ${JSON.stringify(sha256)}`, `changed ones (${found})`);
    this.#isWhole = true;
  }

  #parse(line: string): Readonly<Record<string, unknown>> {
    let found = `${line.length} characters that are no JSON`;
    try {
      const parsed = JSON.parse(line) as unknown;
      if (typeof parsed === 'object' && parsed !== null) return parsed as Readonly<Record<string, unknown>>;
      found = `a ${parsed === null ? 'null' : typeof parsed}`;
    } catch {
      // Told below.
    }
    throw this.#corrupt('a JSON object', found);
  }

  #corrupt(expected: string, found: string): StoreError {
    const fault = `line ${this.#line}: expected ${expected}, found ${found}`;
    return new StoreError('CORRUPT', `this is no whole backup: ${fault}; nothing was changed`);
  }
}

/** Values may be secrets: only names are said. */
function namesOf(fields: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(fields).slice(0, 5);
  return names.length === 0 ? 'no fields' : `the fields ${names.map((name) => name.slice(0, 40)).join(', ')}`;
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
    if (rest.length > MAX_LINE_CHARACTERS || total > MAX_CHARACTERS) {
      const expected = `lines of at most ${MAX_LINE_CHARACTERS} characters, ${MAX_CHARACTERS} in all`;
      const found = `one of ${rest.length}, ${total} in all`;
      throw new StoreError('CORRUPT', `this is no backup: expected ${expected}, found ${found}; nothing was changed`);
    }
  }
  if (rest !== '') yield rest;
}
