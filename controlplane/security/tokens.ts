/** Bearer tokens: a file says who has which, and what each covers. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Fault, FaultsError } from '../../common/errors.ts';
import { type Parsed, parseText } from '../../config/parse.ts';
import type { AllowedLabels, Identity } from '../core/identity.ts';

export const ROLES = ['admin', 'reader', 'proxy'] as const;
export type Role = (typeof ROLES)[number];

/** Shorter tokens can be guessed. */
const MIN_LENGTH = 16;
const FIELDS = ['name', 'token', 'sha256', 'roles', 'nodes', 'labels', 'onlyLabels'];

export interface TokenEntry {
  /** The SHA-256 of the token. */
  readonly digest: Buffer;
  readonly identity: Identity;
}

/**
 * Reads a list of `{name, token | sha256, roles, nodes, labels, onlyLabels}`.
 *
 * @throws FaultsError with every fault and its line. No fault shows a token.
 */
export async function parseTokens(text: string): Promise<readonly TokenEntry[]> {
  const parsed = await read(text);
  const faults: Fault[] = [];
  const fault: Tell = (path, expected, found) => void faults.push({ path, expected, found });
  const list: readonly unknown[] = Array.isArray(parsed.raw) ? (parsed.raw as unknown[]) : [];
  // A file may hold a token and nothing else, as that of a client does.
  if (!Array.isArray(parsed.raw)) fault('', 'a list of tokens', kindOf(parsed.raw));
  const entries = list.map((item, index) => parseEntry(item, `[${index}]`, fault));
  for (const [what, keyOf, fields] of [
    ['name', ({ identity }: TokenEntry) => identity.name, ['name']],
    ['token', ({ digest }: TokenEntry) => digest.toString('hex'), ['token', 'sha256']],
  ] as const) {
    const seen = new Map<string, number>();
    entries.forEach((entry, index) => {
      if (entry === undefined) return;
      const other = seen.get(keyOf(entry));
      const field = fields.find((each) => Object.hasOwn(list[index] as object, each));
      if (other !== undefined) fault(`[${index}].${field}`, `a ${what} of its own`, `that of [${other}]`);
      seen.set(keyOf(entry), index);
    });
  }
  if (faults.length > 0) throw new FaultsError(await parsed.locate(faults));
  return entries as TokenEntry[];
}

/** What the parser says may quote the text: where it is, is said, and no more. */
async function read(text: string): Promise<Parsed> {
  try {
    return await parseText(text);
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    const found = 'text that cannot be read as that';
    throw new FaultsError(
      error.faults.map(({ line }) => ({
        path: '',
        expected: 'YAML or JSON',
        found,
        ...(line !== undefined && { line }),
      })),
    );
  }
}

type Tell = (path: string, expected: string, found: string) => void;

function parseEntry(item: unknown, path: string, fault: Tell): TokenEntry | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    fault(path, 'an object with name, token or sha256, and roles', kindOf(item));
    return undefined;
  }
  const entry = item as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(entry)) {
    if (FIELDS.includes(key)) continue;
    // Without a space behind `token:` the token is a part of the key.
    const [place, found] = key.length < MIN_LENGTH ? [`${path}.${key}`, show(key)] : [path, `a key of ${key.length}`];
    fault(place, `one of ${FIELDS.join(', ')}`, found);
  }
  const { name } = entry;
  if (typeof name !== 'string' || name === '') fault(`${path}.name`, 'a name', show(name));
  const digest = digestOf(entry, path, fault);
  const roles = strings(entry['roles'], `${path}.roles`, `a list of ${ROLES.join(', ')}`, fault);
  roles.forEach((role, index) => {
    if (!(ROLES as readonly string[]).includes(role)) {
      fault(`${path}.roles[${index}]`, `one of ${ROLES.join(', ')}`, show(role));
    }
  });
  if (Array.isArray(entry['roles']) && roles.length === 0) fault(`${path}.roles`, 'at least one role', 'none');
  const isProxy = roles.includes('proxy');
  const nodes =
    entry['nodes'] === undefined ? [] : strings(entry['nodes'], `${path}.nodes`, 'a list of node identities', fault);
  if (isProxy && nodes.length === 0) fault(`${path}.nodes`, 'the nodes that it may be; "*" is any', 'none');
  if (!isProxy && nodes.length > 0) fault(`${path}.nodes`, 'no nodes, or the role proxy', `${nodes.length}`);
  nodes.forEach((node, index) => {
    if (/\*./u.test(node)) fault(`${path}.nodes[${index}]`, 'a * only at the end', show(node));
  });
  const labels = labelsOf(entry, path, fault);
  if (!isProxy && labels !== undefined) fault(path, 'no labels, or the role proxy', 'labels without it');
  if (digest === undefined || typeof name !== 'string') return undefined;
  const admin = roles.includes('admin');
  const reader = admin || roles.includes('reader');
  return { digest, identity: { name: `token:${name}`, admin, reader, nodes, ...(labels && { labels }) } };
}

function labelsOf(
  { labels, onlyLabels: only = false }: Readonly<Record<string, unknown>>,
  path: string,
  fault: Tell,
): AllowedLabels | undefined {
  if (typeof only !== 'boolean') fault(`${path}.onlyLabels`, 'true or false', show(only));
  if (labels === undefined) return only === true ? { values: new Map(), only } : undefined;
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) {
    fault(`${path}.labels`, 'labels with the value, or the list of values, that each may have', show(labels));
    return undefined;
  }
  const values = Object.entries(labels).map(([label, value]): [string, string[]] => {
    const place = `${path}.labels.${label}`;
    if (typeof value === 'string') return [label, [value]];
    const list = strings(value, place, 'a string, or a list of strings (numbers in quotes)', fault);
    if (Array.isArray(value) && value.length === 0) fault(place, 'at least one value', 'none');
    return [label, list];
  });
  return { values: new Map(values), only: only === true };
}

function digestOf({ token, sha256 }: Readonly<Record<string, unknown>>, path: string, fault: Tell): Buffer | undefined {
  if ((token === undefined) === (sha256 === undefined)) {
    fault(path, 'token or sha256', token === undefined ? 'neither' : 'both');
  } else if (sha256 !== undefined) {
    if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/iu.test(sha256)) return Buffer.from(sha256, 'hex');
    fault(`${path}.sha256`, 'the SHA-256 of a token in 64 hexadecimal digits', kindOf(sha256));
  } else if (typeof token !== 'string' || token.length < MIN_LENGTH || !/^[\x21-\x7e]+$/u.test(token)) {
    fault(`${path}.token`, `at least ${MIN_LENGTH} printable characters without spaces`, kindOf(token));
  } else return hashOf(token);
  return undefined;
}

/** What may be a secret is not shown: how long it is may be. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string'
    ? `text of ${value.length}`
    : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** A value in a place where no secret belongs; what is as long as a token is not shown there either. */
function show(value: unknown): string {
  const isShort = typeof value === 'string' && value.length < MIN_LENGTH;
  return isShort ? JSON.stringify(value) : kindOf(value);
}

function strings(value: unknown, path: string, expected: string, fault: Tell): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')) return value as string[];
  fault(path, expected, show(value));
  return [];
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Whose token it is. Takes as long for one that is nobody's. */
export function findToken(entries: readonly TokenEntry[], token: string): Identity | undefined {
  const digest = hashOf(token);
  let found: Identity | undefined;
  for (const entry of entries) if (timingSafeEqual(entry.digest, digest)) found = entry.identity;
  return found;
}
