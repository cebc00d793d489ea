/** JSON with one text for each value, and hashes of it: the same on every replica and after every restart. */
import { createHash } from 'node:crypto';

/** JSON with the keys of objects in order, indices before names, and without fields that are undefined. */
export function canonicalJson(value: unknown): string {
  if (value === undefined) return 'null';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of orderedKeys(fields)) {
    const item = fields[key];
    if (item !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(item)}`;
  }
  return `{${text}}`;
}

function orderedKeys(fields: object): string[] {
  const keys = Object.keys(fields);
  const [first = ''] = keys;
  if (!isIndex(first)) return keys.sort();
  // JavaScript has the indices first, as numbers.
  const names = keys.findIndex((key) => !isIndex(key));
  return names < 0 ? keys : [...keys.slice(0, names), ...keys.slice(names).sort()];
}

function isIndex(key: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/u.test(key) && Number(key) < 2 ** 32 - 1;
}

/** The first 64 bits of a SHA-256 in hexadecimal: enough to tell versions apart. */
export function shortHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
