/**
 * Files of objects for the control plane: what a proxy's file has, each object, or the whole file, with a selector and
 * labels; and raw resources.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { parseText, type Parsed } from '../../dataplane/config/parse.ts';
import { type Fault, FaultsError, ProxyError } from '../../dataplane/core/errors.ts';
import type { Object as ConfigObject, ObjectKey, Selector } from '../../gen/messages.ts';
import { FilesError, UsageError } from '../exit.ts';
import { formatKey, KINDS } from './kinds.ts';

/** An object as it is applied. */
export type NewObject = Pick<ConfigObject, 'labels'> &
  Partial<Pick<ConfigObject, 'selector' | 'spec' | 'raw'>> & { readonly key: ObjectKey };

/** An object with the place where it stands. */
export interface FileObject {
  readonly object: NewObject;
  readonly file: string;
  /** As in `listeners[0]`. */
  readonly path: string;
  /** Says where faults of the object stand, whose paths begin in it. */
  readonly locate: (faults: readonly Fault[]) => Promise<readonly Fault[]>;
}

const LISTS = [...KINDS.map(({ list }) => list), 'raw'];
const ENVELOPE = ['selector', 'labels'];

/** Reads files, directories, and `-`, standard input. @throws FilesError with everything that is wrong */
export async function readManifests(files: readonly string[]): Promise<FileObject[]> {
  const objects: FileObject[] = [];
  const wrong: string[] = [];
  for (const file of (await Promise.all(files.map(expand))).flat()) {
    try {
      objects.push(...(await readManifest(file, await readText(file))));
    } catch (error) {
      if (!(error instanceof FaultsError)) throw error;
      wrong.push(...error.faults.map((fault) => formatAt(file, fault)));
    }
  }
  const seen = new Map<string, FileObject>();
  for (const each of objects) {
    const id = formatKey(each.object.key);
    const other = seen.get(id);
    if (other !== undefined) {
      const fault = { path: 'name', expected: 'a name of its own', found: `${id} again, which ${other.file} has` };
      wrong.push(...(await formatFaults(each, [fault])));
    }
    seen.set(id, each);
  }
  if (wrong.length > 0) throw new FilesError(wrong);
  return objects;
}

/** The files of a directory in the order of their names. */
async function expand(file: string): Promise<string[]> {
  if (file === '-') return [file];
  const found = await stat(file).catch((error: unknown) => {
    throw new UsageError(`-f: expected a file or directory, found ${ProxyError.from(error).message}`);
  });
  if (!found.isDirectory()) return [file];
  const names = (await readdir(file)).filter((name) => /^[^.].*\.(ya?ml|json)$/iu.test(name)).sort();
  if (names.length === 0) throw new UsageError(`-f: expected *.yaml, *.yml or *.json in ${file}, found none`);
  return names.map((name) => join(file, name));
}

async function readText(file: string): Promise<string> {
  if (file === '-') return readAll(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`-f: expected a file that can be read, found ${ProxyError.from(error).message}`);
  }
}

/** @throws FaultsError with all faults of the form; what objects say is the control plane's to judge. */
async function readManifest(file: string, text: string): Promise<FileObject[]> {
  const parsed = await parseText(text);
  const faults: Fault[] = [];
  const fault = (path: string, expected: string, found: string): void => void faults.push({ path, expected, found });
  const raw = parsed.raw ?? {};
  if (!isObject(raw)) {
    fault('', `an object with ${LISTS.join(', ')}, selector or labels`, Array.isArray(raw) ? 'a list' : String(raw));
    throw new FaultsError(await parsed.locate(faults));
  }
  for (const key of Object.keys(raw)) {
    if (key === 'admin') fault(key, "no admin: it belongs into a proxy's own file", 'admin');
    else if (![...LISTS, ...ENVELOPE].includes(key)) fault(key, `one of ${[...LISTS, ...ENVELOPE].join(', ')}`, `"${key}"`);
  }
  const ofAll = envelope(raw, '', fault);
  const objects = LISTS.flatMap((list) => {
    const items = raw[list] ?? [];
    if (!Array.isArray(items)) {
      fault(list, 'a list', isObject(items) ? 'an object' : String(items));
      return [];
    }
    return (items as unknown[]).flatMap((item, index) => {
      const path = `${list}[${index}]`;
      const made = toObject(list, item, path, ofAll, fault);
      return made === undefined ? [] : [{ object: made, file, path, locate: locator(parsed, path) }];
    });
  });
  if (faults.length > 0) throw new FaultsError(await parsed.locate(faults));
  return objects;
}

function locator(parsed: Parsed, base: string): FileObject['locate'] {
  return (faults) =>
    parsed.locate(
      faults.map((fault) => ({
        ...fault,
        path: fault.path === '' ? base : `${base}${fault.path.startsWith('[') ? '' : '.'}${fault.path}`,
      })),
    );
}

type Tell = (path: string, expected: string, found: string) => void;

interface Envelope {
  readonly selector?: Selector;
  readonly labels: Readonly<Record<string, string>>;
}

function toObject(list: string, item: unknown, path: string, ofAll: Envelope, fault: Tell): NewObject | undefined {
  if (!isObject(item)) {
    fault(path, 'an object with a name', Array.isArray(item) ? 'a list' : JSON.stringify(item));
    return undefined;
  }
  const { name, selector: _selector, labels: _labels, ...spec } = item;
  const own = envelope(item, path, fault);
  const selector = own.selector ?? ofAll.selector;
  const common = { ...(selector && { selector }), labels: { ...ofAll.labels, ...own.labels } };
  if (typeof name !== 'string') {
    fault(`${path}.name`, 'a name: the control plane makes none up', name === undefined ? 'nothing' : JSON.stringify(name));
    return undefined;
  }
  if (list !== 'raw') {
    const kind = KINDS.find((each) => each.list === list)?.kind ?? '';
    return { ...common, key: { kind, name }, spec: spec as NewObject['spec'] & object };
  }
  const { type_url: typeUrl, value, ...others } = spec;
  for (const key of Object.keys(others)) fault(`${path}.${key}`, 'one of type_url, name, value, selector, labels', `"${key}"`);
  if (typeof typeUrl !== 'string' || !typeUrl.includes('/')) {
    fault(`${path}.type_url`, 'a type URL, as in type.googleapis.com/envoy.config.cluster.v3.Cluster', JSON.stringify(typeUrl ?? null));
    return undefined;
  }
  if (typeof value !== 'string' || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u.test(value)) {
    fault(`${path}.value`, 'bytes in base64', typeof value === 'string' ? 'other text' : JSON.stringify(value ?? null));
    return undefined;
  }
  return { ...common, key: { kind: typeUrl, name }, raw: Buffer.from(value, 'base64') };
}

/** What stands beside the content: for whom it is, and its labels. */
function envelope({ selector, labels }: Readonly<Record<string, unknown>>, path: string, fault: Tell): Envelope {
  const at = (field: string): string => (path === '' ? field : `${path}.${field}`);
  return {
    ...(selector !== undefined && { selector: toSelector(selector, at('selector'), fault) }),
    labels: toStrings(labels ?? {}, at('labels'), fault),
  };
}

function toSelector(raw: unknown, path: string, fault: Tell): Selector {
  const empty: Selector = { match_labels: {}, match_expressions: [], match_ids: [] };
  if (!isObject(raw)) {
    fault(path, 'an object with matchLabels, matchExpressions or matchIds', JSON.stringify(raw));
    return empty;
  }
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const field = key.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
    if (field in empty) fields[field] = value;
    else fault(`${path}.${key}`, 'one of matchLabels, matchExpressions, matchIds', `"${key}"`);
  }
  const { match_labels: labels = {}, match_expressions: expressions = [], match_ids: ids = [] } = fields;
  const idsPath = `${path}.matchIds`;
  return {
    match_labels: toStrings(labels, `${path}.matchLabels`, fault),
    match_ids: toList(ids, idsPath, fault).map((id, index) => toText(id, `${idsPath}[${index}]`, fault)),
    match_expressions: toList(expressions, `${path}.matchExpressions`, fault).map((item, index) => {
      const at = `${path}.matchExpressions[${index}]`;
      if (!isObject(item)) fault(at, 'an object with key, operator and values', JSON.stringify(item));
      const { key, operator, values = [], ...others } = isObject(item) ? item : {};
      for (const other of Object.keys(others)) fault(`${at}.${other}`, 'one of key, operator, values', `"${other}"`);
      return {
        key: toText(key, `${at}.key`, fault),
        operator: toText(operator, `${at}.operator`, fault),
        values: toList(values, `${at}.values`, fault).map((value, n) => toText(value, `${at}.values[${n}]`, fault)),
      };
    }),
  };
}

function toStrings(raw: unknown, path: string, fault: Tell): Record<string, string> {
  if (!isObject(raw)) {
    fault(path, 'an object of text', JSON.stringify(raw));
    return {};
  }
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [key, toText(value, `${path}.${key}`, fault)]),
  );
}

function toList(raw: unknown, path: string, fault: Tell): readonly unknown[] {
  if (Array.isArray(raw)) return raw as unknown[];
  fault(path, 'a list', JSON.stringify(raw));
  return [];
}

function toText(raw: unknown, path: string, fault: Tell): string {
  if (typeof raw !== 'string') fault(path, 'text', raw === undefined ? 'nothing' : `${JSON.stringify(raw)} (quote it?)`);
  return String(raw);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Raw resources of a JSON list of `{type_url, name, value}`. @throws FilesError */
export async function readRaw(file: string): Promise<FileObject[]> {
  const text = await readText(file);
  try {
    // As the list of a manifest; the paths of its faults say so.
    const parsed = await parseText(text);
    if (!Array.isArray(parsed.raw)) {
      throw new FaultsError([{ path: '', expected: 'a list of {type_url, name, value}', found: 'no list', line: 1 }]);
    }
    return await readManifest(file, `{"raw":${text}}`);
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    throw new FilesError(error.faults.map((fault) => formatAt(file, fault)));
  }
}

/** `FILE:LINE: listeners[0].spec.port: expected …, found …`. */
function formatAt(file: string, { path, expected, found, line }: Fault): string {
  const name = file === '-' ? 'standard input' : file;
  return `${name}:${line ?? 1}: ${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`;
}

/** Faults of an object with where they stand. */
export async function formatFaults({ file, locate }: FileObject, faults: readonly Fault[]): Promise<string[]> {
  return (await locate(faults)).map((fault) => formatAt(file, fault));
}
