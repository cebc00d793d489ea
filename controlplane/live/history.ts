/** The history of changes: who, when, why, and what everything was before and after. Bounded. */
import type { ObjectKey } from '../../gen/messages.ts';
import { Slices } from '../../common/slices.ts';
import type { Operation, Store } from '../core/store.ts';
import { versionKey, versionPartKey } from '../model/keys.ts';
import { type ConfigObject, fromStored, toStored } from '../model/object.ts';

/** Versions that are kept. */
const MAX_VERSIONS = 1000;
/** The most of one value: stores take 1 MiB. */
const MAX_PART_BYTES = 900 * 1024;

export type Action = 'created' | 'updated' | 'deleted';

/** What was done with an object. */
export interface ObjectChange {
  readonly key: ObjectKey;
  readonly action: Action;
  readonly before?: ConfigObject | undefined;
  readonly after?: ConfigObject | undefined;
}

/** A change from what was there to what will be: one of them is. */
export function changeOf(
  key: ObjectKey,
  before: ConfigObject | undefined,
  after: ConfigObject | undefined,
): ObjectChange {
  return { key, action: after === undefined ? 'deleted' : before ? 'updated' : 'created', before, after };
}

/** A version without the contents of its objects. */
export interface VersionRecord {
  readonly number: number;
  /** ISO 8601. */
  readonly time: string;
  readonly author: string;
  readonly message: string;
  readonly rollout: string;
  /** Values that its contents are in. */
  readonly parts: number;
  /** Absent where there are too many: they are in the parts, too. */
  readonly changes?: readonly { readonly key: ObjectKey; readonly action: Action }[];
}

/** A change with what was there before and after. */
export interface RecordedChange {
  readonly key: ObjectKey;
  readonly action: Action;
  readonly before?: ConfigObject;
  readonly after?: ConfigObject;
}

/** A change, and what the store is given of it; undefined: it goes. */
export interface StoredChange {
  readonly change: ObjectChange;
  readonly value: Buffer | undefined;
}

/** What puts a version into the history, and takes the one out that is too old. */
export async function recordVersion(
  store: Store,
  version: Omit<VersionRecord, 'parts' | 'changes'>,
  stored: readonly StoredChange[],
): Promise<Operation[]> {
  const { number } = version;
  const lines: string[] = [];
  const slices = new Slices();
  for (const [index, { change, value }] of stored.entries()) {
    if (slices.isOver) await slices.next();
    const { key, action, before } = change;
    lines.push(JSON.stringify({ index, key, action }));
    if (before) lines.push(`{"index":${index},"before":${toStored(before, before.changedAt).toString()}}`);
    if (value) lines.push(`{"index":${index},"after":${value.toString()}}`);
  }
  const parts = inParts(lines);
  const record: VersionRecord = { ...version, parts: parts.length };
  if (slices.isOver) await slices.next();
  const short = stored.map(({ change: { key, action } }) => ({ key, action }));
  const whole = Buffer.from(JSON.stringify({ ...record, changes: short }));
  const value = whole.length <= MAX_PART_BYTES ? whole : Buffer.from(JSON.stringify(record));
  const operations: Operation[] = [{ type: 'put', key: versionKey(number), value }];
  parts.forEach((part, index) => operations.push({ type: 'put', key: versionPartKey(number, index), value: part }));
  if (slices.isOver) await slices.next();
  return [...operations, ...(await forgetVersion(store, number - MAX_VERSIONS))];
}

async function forgetVersion(store: Store, number: number): Promise<Operation[]> {
  if (number < 1) return [];
  const old = await readVersion(store, number);
  if (old === undefined) return [];
  const parts = Array.from({ length: old.parts }, (_, index) => versionPartKey(number, index));
  return [versionKey(number), ...parts].map((key) => ({ type: 'delete', key }));
}

/** Undefined where it is not, or not any more, in the history. */
export async function readVersion(store: Store, number: number): Promise<VersionRecord | undefined> {
  const entry = await store.get(versionKey(number));
  return entry && (JSON.parse(entry.value.toString()) as VersionRecord);
}

interface Line {
  readonly index: number;
  readonly key?: ObjectKey;
  readonly action?: Action;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What a version did. */
export async function readChanges(store: Store, { number }: VersionRecord): Promise<RecordedChange[]> {
  const { entries } = await store.list(`${versionKey(number)}/`);
  const changes: { -readonly [K in keyof RecordedChange]?: RecordedChange[K] }[] = [];
  for (const { value } of entries) {
    for (const line of value.toString().split('\n')) {
      const { index, key, action, before, after } = JSON.parse(line) as Line;
      const change = (changes[index] ??= {});
      if (key && action) Object.assign(change, { key, action });
      if (before !== undefined) change.before = fromStored(Buffer.from(JSON.stringify(before)), 0);
      if (after !== undefined) change.after = fromStored(Buffer.from(JSON.stringify(after)), 0);
    }
  }
  return changes as RecordedChange[];
}

function inParts(lines: readonly string[]): Buffer[] {
  const parts: string[][] = [];
  let partBytes = Infinity;
  for (const line of lines) {
    const bytes = Buffer.byteLength(line) + 1;
    if (partBytes + bytes > MAX_PART_BYTES) {
      parts.push([]);
      partBytes = 0;
    }
    partBytes += bytes;
    parts.at(-1)?.push(line);
  }
  return parts.map((part) => Buffer.from(part.join('\n')));
}
