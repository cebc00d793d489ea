/**
 * What the log file is made of, as bytes:
 *
 *     | length of body, 4 | check of length and body's check, 4 | check of body, 8 | body |
 *     body: one line of JSON, the values that it tells the lengths of, and a last byte that isn't zero
 *
 * A check is the start of a SHA-256. The header has one of its own, so that a damaged length isn't taken for a cut.
 */
import { createHash } from 'node:crypto';
import type { Entry, StoreEvent } from '../../core/store.ts';
import type { DatedChange } from '../memory/history.ts';

export const HEADER_BYTES = 16;

/** So that a record that ends in zeros is known for one that was not written to its end. */
const END = Buffer.from('\n');

/** The file's first record: what the state that follows is as of. */
interface HeadLine {
  readonly kind: 'store';
  readonly version: 1;
  readonly revision: number;
  /** Changes up to this revision are not kept. */
  readonly compacted: number;
  /** How many entries and changes follow that are part of the state. */
  readonly entries: number;
  readonly changes: number;
}

/** Key, revision that made it, revision of its last change, length of its value. */
type EntryLine = readonly [key: string, createRevision: number, modRevision: number, length: number];

interface StateLine {
  readonly kind: 'state';
  readonly entries: readonly EntryLine[];
}

interface ChangeLine {
  readonly kind: 'change';
  readonly revision: number;
  readonly time: number;
  /** A put, or the key alone: a deletion. */
  readonly events: readonly (EntryLine | readonly [key: string])[];
}

interface CompactLine {
  readonly kind: 'compact';
  readonly revision: number;
}

type Line = HeadLine | StateLine | ChangeLine | CompactLine;

export type FileRecord =
  | HeadLine
  | { readonly kind: 'state'; readonly entries: readonly Entry[] }
  | { readonly kind: 'change'; readonly change: DatedChange }
  | CompactLine;

/** A record in parts that are not copied. */
export function encodeRecord(record: FileRecord): Buffer[] {
  switch (record.kind) {
    case 'store':
    case 'compact':
      return framed(record, []);
    case 'state':
      return framed(
        { kind: 'state', entries: record.entries.map(lineOf) },
        record.entries.map(({ value }) => value),
      );
    case 'change': {
      const { revision, time, events } = record.change;
      const lines = events.map((event) => (event.type === 'put' ? lineOf(event.entry) : ([event.key] as const)));
      const values = events.flatMap((event) => (event.type === 'put' ? [event.entry.value] : []));
      return framed({ kind: 'change', revision, time, events: lines }, values);
    }
  }
}

function lineOf({ key, createRevision, modRevision, value }: Entry): EntryLine {
  return [key, createRevision, modRevision, value.length];
}

function framed(line: Line, values: readonly Buffer[]): Buffer[] {
  const body = [Buffer.from(`${JSON.stringify(line)}\n`), ...values, END];
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(body.reduce((sum, part) => sum + part.length, 0));
  check(body).copy(header, 8, 0, 8);
  headerCheck(header).copy(header, 4, 0, 4);
  return [header, ...body];
}

function check(parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function headerCheck(header: Buffer): Buffer {
  return check([header.subarray(0, 4), header.subarray(8, HEADER_BYTES)]);
}

/** The length of the body that a header announces; undefined: it is damaged. */
export function bodyLength(header: Buffer): number | undefined {
  return headerCheck(header).compare(header, 4, 8, 0, 4) === 0 ? header.readUInt32LE() : undefined;
}

/** The record of a body, whose values are copies; undefined: it is damaged. */
export function decodeRecord(header: Buffer, body: Buffer): FileRecord | undefined {
  if (check([body]).compare(header, 8, HEADER_BYTES, 0, 8) !== 0) return undefined;
  const end = body.indexOf('\n');
  const line = JSON.parse(body.toString('utf8', 0, end)) as Line;
  let position = end + 1;
  const entryOf = ([key, createRevision, modRevision, length]: EntryLine): Entry => {
    const value = Buffer.from(body.subarray(position, (position += length)));
    return { key, createRevision, modRevision, value };
  };
  switch (line.kind) {
    case 'store':
    case 'compact':
      return line;
    case 'state':
      return { kind: 'state', entries: line.entries.map(entryOf) };
    case 'change': {
      const { revision, time } = line;
      const events = line.events.map((event): StoreEvent =>
        event.length === 1
          ? { type: 'delete', key: event[0], modRevision: revision }
          : { type: 'put', entry: entryOf(event) },
      );
      return { kind: 'change', change: { revision, time, events } };
    }
  }
}
