/**
 * What the head refers to: immutable `StoreRecord`s, under names that nothing else ever has. What is larger than one object may
 * be stands in several.
 */
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type Entry, type Operation, StoreError } from '../../core/store.ts';
import type { ResourceKind, StoreClient, StoredObject } from './api.ts';
import { STORE_LABEL } from './head.ts';

export const RECORD: ResourceKind = {
  group: 'l7mp.io',
  version: 'v1',
  kind: 'StoreRecord',
  plural: 'storerecords',
  namespaced: true,
};

/** Up to here it is plain JSON, for people, in characters. */
const PLAIN_CHARACTERS = 16 * 1024;
/** Of a part, compressed: in base64 well below the 1.5 MiB that etcd takes. */
const PART_BYTES = 768 * 1024;
/** Parts that are on their way at once. */
const PARALLEL = 8;
/** The most that a record comes to, in bytes of JSON. */
const MAX_BYTES = 480 * 1024 * 1024;

/** An entry without revisions is of the snapshot's own. */
export type SnapshotEntry = Pick<Entry, 'key' | 'value'> & Partial<Entry>;

interface RecordSpec {
  readonly part: number;
  readonly parts: number;
  /** One of both: JSON, or JSON with gzip in base64. */
  readonly json?: string;
  readonly gzip?: string;
}

/** Of either: text where it is UTF-8, else base64. */
interface Value {
  readonly text?: string;
  readonly base64?: string;
}

type JsonOperation = { readonly delete: string } | (Value & { readonly put: string });
type JsonEntry = Value & { readonly key: string; readonly created?: number; readonly modified?: number };

export interface Scope {
  readonly client: StoreClient;
  readonly namespace: string;
  readonly name: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A record that is written. */
export interface Blob {
  readonly id: string;
  readonly parts: number;
}

/** One that was referred to is not there. */
export class MissingRecord extends Error {}

export function encodeOperations(operations: readonly Operation[]): string {
  return JSON.stringify(
    operations.map((each): JsonOperation =>
      each.type === 'put' ? { put: each.key, ...encode(each.value) } : { delete: each.key },
    ),
  );
}

export function encodeEntries(entries: readonly SnapshotEntry[]): string {
  return JSON.stringify(
    entries.map(({ key, value, createRevision, modRevision }): JsonEntry => ({
      key,
      ...(createRevision !== undefined && { created: createRevision }),
      ...(modRevision !== undefined && { modified: modRevision }),
      ...encode(value),
    })),
  );
}

/** @throws MissingRecord; what the client throws. */
export async function readOperations(scope: Scope, id: string): Promise<Operation[]> {
  return ((await read(scope, id)) as JsonOperation[]).map((each) =>
    'put' in each ? { type: 'put', key: each.put, value: decode(each) } : { type: 'delete', key: each.delete },
  );
}

/** @throws MissingRecord; what the client throws. */
export async function readEntries(scope: Scope, id: string, revision: number): Promise<Entry[]> {
  return ((await read(scope, id)) as JsonEntry[]).map(({ key, created, modified, ...value }) => ({
    key,
    value: decode(value),
    createRevision: created ?? revision,
    modRevision: modified ?? revision,
  }));
}

/** Under a new name. @throws what the client throws. */
export async function write(scope: Scope, json: string): Promise<Blob> {
  const { client, namespace, name, timeoutMs, signal } = scope;
  const id = randomBytes(10).toString('hex');
  const specs: RecordSpec[] = [];
  if (json.length <= PLAIN_CHARACTERS) {
    specs.push({ part: 0, parts: 1, json });
  } else {
    const bytes = await promisify(gzip)(json);
    const parts = Math.ceil(bytes.length / PART_BYTES);
    for (let part = 0; part < parts; part++) {
      const of = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
      specs.push({ part, parts, gzip: of.toString('base64') });
    }
  }
  await inParallel(specs, async (spec) => {
    const metadata = { namespace, name: nameOf(scope, id, spec.part), labels: { [STORE_LABEL]: name } };
    const object: StoredObject = { apiVersion: 'l7mp.io/v1', kind: RECORD.kind, metadata, spec };
    await client.apply(RECORD, object, { timeoutMs, signal });
  });
  return { id, parts: specs.length };
}

/** Where that fails, it is left for the next who cleans up. */
export async function remove(scope: Scope, names: readonly string[]): Promise<void> {
  const { client, namespace, timeoutMs, signal } = scope;
  await inParallel(names, (name) => client.delete(RECORD, { namespace, name }, { timeoutMs, signal })).catch(
    () => undefined,
  );
}

export function namesOf(scope: Pick<Scope, 'name'>, { id, parts }: Blob): string[] {
  return Array.from({ length: parts }, (_, part) => nameOf(scope, id, part));
}

/** The names of all that there are, by the id that they are of. */
export async function listNames(scope: Scope): Promise<{ readonly id: string; readonly name: string }[]> {
  const { client, namespace, name, timeoutMs, signal } = scope;
  const found: { id: string; name: string }[] = [];
  for (let next = ''; ;) {
    const page = await client.list(RECORD, {
      ...{ namespace, labelSelector: `${STORE_LABEL}=${name}`, metadataOnly: true, limit: 1000, timeoutMs, signal },
      ...(next !== '' && { continue: next }),
    });
    for (const { metadata } of page.items) {
      found.push({ id: metadata.name.slice(name.length + 1).split('-')[0] ?? '', name: metadata.name });
    }
    next = page.continue;
    if (next === '') return found;
  }
}

/** Of all, in their order. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
  return results;
}

function nameOf({ name }: Pick<Scope, 'name'>, id: string, part: number): string {
  return `${name}-${id}-${part}`;
}

async function read(scope: Scope, id: string): Promise<unknown> {
  const { client, namespace, timeoutMs, signal } = scope;
  const part = async (number: number): Promise<RecordSpec> => {
    const name = nameOf(scope, id, number);
    try {
      const { spec } = await client.get(RECORD, { namespace, name }, { timeoutMs, signal });
      return spec as RecordSpec;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 404) throw error;
      throw new MissingRecord(`StoreRecord ${namespace}/${name}`, { cause: error });
    }
  };
  const first = await part(0);
  try {
    if (first.json !== undefined) return JSON.parse(first.json);
    const rest = Array.from({ length: first.parts - 1 }, (_, i) => i + 1);
    const parts = [first, ...(await inParallel(rest, part))];
    const bytes = Buffer.concat(parts.map((each) => Buffer.from(each.gzip ?? '', 'base64')));
    return JSON.parse((await promisify(gunzip)(bytes, { maxOutputLength: MAX_BYTES })).toString());
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof RangeError) && !isZlib(error)) throw error;
    const found = `found what can't be read: ${(error as Error).message}`;
    throw new StoreError('CORRUPT', `StoreRecord ${namespace}/${nameOf(scope, id, 0)}: expected a record, ${found}`);
  }
}

function isZlib(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && (code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE');
}

function encode(value: Buffer): Value {
  const text = value.toString();
  return Buffer.from(text).equals(value) ? { text } : { base64: value.toString('base64') };
}

function decode({ text, base64 }: Value): Buffer {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text);
}
