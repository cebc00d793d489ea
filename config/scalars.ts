/** Strings, numbers and booleans of the configuration: what is accepted, and what is said of what isn't. */
import { isIP } from 'node:net';
import type { FieldSchema } from '../gen/schema-types.ts';
import type { Plain } from '../common/address.ts';
import { parseAddressPort, parseCidr, parsePortRange } from '../common/networks.ts';
import { nearest } from '../common/nearest.ts';
import { HIDDEN } from '../common/secrets.ts';
import { parsePointer } from '../common/json-pointer.ts';
import { compileRegex } from '../common/regex.ts';

/** The value, or what was expected. */
type Read =
  | { readonly value: unknown; readonly expected?: undefined }
  | { readonly value?: undefined; readonly expected: string };

/** An object as YAML and JSON make them; no array, no date. */
export function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Reads a scalar. Numbers and booleans may be written as strings, and where a string is wanted, a number may stand. */
export function readScalar(field: FieldSchema, raw: unknown): Read {
  switch (field.type) {
    case 'boolean':
      return readBoolean(raw);
    case 'integer':
    case 'number':
      return readNumber(field, raw);
    default:
      return readString(field, raw);
  }
}

function readBoolean(raw: unknown): Read {
  if (typeof raw === 'boolean') return { value: raw };
  if (raw === 'true' || raw === 'false') return { value: raw === 'true' };
  return { expected: 'true or false' };
}

function readNumber({ type, min, max, unit }: FieldSchema, raw: unknown): Read {
  const least = min ?? 0;
  const kind = type === 'integer' ? 'a whole number' : 'a number';
  const range = max === undefined ? `of at least ${least}` : `from ${least} to ${max}`;
  const expected = `${kind} ${range}${unit === undefined ? '' : ` (${unit})`}`;
  const text = typeof raw === 'string' && /^\s*(\d+(\.\d+)?|0x[\da-f]+)\s*$/iu.test(raw);
  const value = typeof raw === 'number' ? raw : text ? Number(raw) : NaN;
  if (!Number.isFinite(value) || value < least || value > (max ?? Number.MAX_SAFE_INTEGER)) return { expected };
  return type === 'integer' && !Number.isInteger(value) ? { expected } : { value };
}

function readString(field: FieldSchema, raw: unknown): Read {
  const { values, format } = field;
  if (typeof raw !== 'string' && typeof raw !== 'number') {
    return { expected: values ? oneOf(values) : expectedText(format) };
  }
  if (raw === HIDDEN) return { expected: 'what is hidden behind this: put it in again' };
  const text = String(raw);
  if (values) {
    const value = values.find((each) => each.toLowerCase() === text.toLowerCase());
    return value === undefined ? { expected: oneOf(values, text) } : { value };
  }
  // As l7mp has it, the slash that a pointer begins with may be left out.
  const value = format === 'json-pointer' && text !== '' && !text.startsWith('/') ? `/${text}` : text;
  return format === undefined || fits(format, value) ? { value } : { expected: expectedText(format) };
}

/** What is expected of a closed set of words: with the one that was probably meant. */
export function oneOf(words: readonly string[], wrong?: unknown): string {
  if (words.length === 1) return `"${words[0] ?? ''}"`;
  const near = typeof wrong === 'string' ? nearest(wrong, words) : undefined;
  return `one of ${words.join(', ')}${near === undefined ? '' : ` (perhaps ${near})`}`;
}

function fits(format: NonNullable<FieldSchema['format']>, text: string): boolean {
  switch (format) {
    case 'json-pointer':
      return succeeds(() => parsePointer(text));
    case 'regex':
      return succeeds(() => compileRegex(text));
    case 'address':
      return isIP(text) !== 0;
    case 'host':
      return isIP(text) !== 0 || /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_-]{1,63})*\.?$/iu.test(text);
    case 'file-mode':
      return /^[0-7]{3,4}$/u.test(text);
    case 'port-range':
      return parsePortRange(text) !== undefined;
    case 'cidr':
      return parseCidr(text) !== undefined;
    case 'address-port':
      return parseAddressPort(text) !== undefined;
  }
}

function expectedText(format: FieldSchema['format']): string {
  switch (format) {
    case 'json-pointer':
      return 'a JSON pointer, as in /IP/src_addr';
    case 'regex':
      return 'a regular expression as RE2 knows it, without look-around and back references';
    case 'address':
      return 'an IP address';
    case 'host':
      return 'an IP address or a DNS name';
    case 'file-mode':
      return 'permissions in octal, as in 0660';
    case 'port-range':
      return 'ports, as in 80, 8000-8999, 53/udp or */tcp';
    case 'cidr':
      return 'a network, as in 10.0.0.0/8 or fd00::/8';
    case 'address-port':
      return 'an IP address with a port, as in 10.0.0.1:80 or [fd00::1]:80';
    case undefined:
      return 'a string';
  }
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** What was found, in a few words. */
export function describe(found: unknown): string {
  if (found === undefined || found === null) return 'nothing';
  if (Array.isArray(found)) return `a list of ${found.length}`;
  if (isPlain(found)) return `an object with ${clip(Object.keys(found).slice(0, 4).join(', ')) || 'no fields'}`;
  if (typeof found === 'string') return clip(JSON.stringify(found.slice(0, LONGEST)));
  return typeof found === 'number' || typeof found === 'boolean' ? String(found) : `a ${typeof found}`;
}

/** What a fault shows of a value, in characters. */
const LONGEST = 60;

function clip(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
