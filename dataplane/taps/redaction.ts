/** What taps don't show: fields by name, parts of the metadata, payloads. */
import type { Json, Tap } from '../../gen/l7mp/config/v1/types.ts';
import { isJsonObject } from '../../common/json.ts';
import { getAt, parsePointer, setAt } from '../../common/json-pointer.ts';
import { PAYLOAD } from '../../config/tap.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList } from '../core/stream.ts';

/** Stands for what is not shown. */
export const REDACTED = '<REDACTED>';

/** What is not shown unless it is asked for: what lets its reader be somebody else. */
const SECRET_FIELDS: readonly string[] = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'];

/** The largest payload that is read as JSON, in bytes. */
const MAX_JSON = 1024 * 1024;

export interface Redaction {
  /** A copy. */
  metadata(metadata: Metadata): Json;
  headers(headers: HeaderList): HeaderList;
  /** The payload itself where nothing of it is redacted; undefined where nothing of it may be shown. */
  payload(payload: Buffer): Buffer | undefined;
}

export function createRedaction({ redact, secrets }: Pick<Tap, 'redact' | 'secrets'>): Redaction {
  const names = new Set(secrets ? [] : SECRET_FIELDS);
  const pointers: (readonly string[])[] = [];
  const parts: (readonly string[])[] = [];
  let isWithheld = false;
  for (const item of redact) {
    if (item === PAYLOAD) isWithheld = true;
    else if (item.startsWith('/')) pointers.push(parsePointer(item));
    else if (item.startsWith(`${PAYLOAD}:`)) parts.push(parsePointer(item.slice(PAYLOAD.length + 1)));
    else names.add(item.toLowerCase());
  }
  return {
    metadata: (metadata) => {
      const copy = copyWithout(metadata, names);
      for (const pointer of pointers) blank(copy, pointer);
      return copy;
    },
    headers: (headers) =>
      headers.map((each, index) =>
        index % 2 === 1 && names.has(headers[index - 1]?.toLowerCase() ?? '') ? REDACTED : each,
      ),
    payload: (payload) => {
      if (isWithheld) return undefined;
      return parts.length === 0 ? payload : withoutParts(payload, parts);
    },
  };
}

function copyWithout(value: Json, names: ReadonlySet<string>): Json {
  if (Array.isArray(value)) return value.map((item) => copyWithout(item, names));
  if (!isJsonObject(value)) return value;
  const fields = Object.entries(value).map(([name, item]): [string, Json] => [
    name,
    names.has(name.toLowerCase()) ? REDACTED : copyWithout(item, names),
  ]);
  return Object.fromEntries(fields);
}

function blank(root: Json, pointer: readonly string[]): void {
  if (getAt(root, pointer) !== undefined) setAt(root, pointer, REDACTED);
}

/** Nothing of what isn't JSON is known to be no secret. */
function withoutParts(payload: Buffer, parts: readonly (readonly string[])[]): Buffer | undefined {
  if (payload.length > MAX_JSON) return undefined;
  let json: Json;
  try {
    json = JSON.parse(payload.toString('utf8')) as Json;
  } catch {
    return undefined;
  }
  const found = parts.filter((pointer) => getAt(json, pointer) !== undefined);
  if (found.length === 0) return payload;
  if (found.some((pointer) => pointer.length === 0)) return undefined;
  for (const pointer of found) blank(json, pointer);
  return Buffer.from(JSON.stringify(json));
}
