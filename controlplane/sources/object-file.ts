/** A file of objects: as a configuration file, with selectors and labels, and with what only a control plane hands out. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { Fault, ObjectKey, Selector } from '../../gen/messages.ts';
import { parseText } from '../../config/parse.ts';
import { isPlain } from '../../config/scalars.ts';
import { survey } from '../../config/survey.ts';
import { WIRE_LIST_OF } from '../../config/wire-kinds.ts';
import { FaultsError } from '../../common/errors.ts';
import { nearest } from '../../common/nearest.ts';
import { checkKey, contentFaults } from '../model/decode-content.ts';
import { KEY_MARK } from '../model/hidden.ts';
import { idOf, type ObjectContent } from '../model/object.ts';
import { checkSelector, isEverybody } from '../model/selector.ts';
import { type ReadAudience, readRawItems } from './raw-items.ts';

const LISTS = Object.values(WIRE_LIST_OF);
/** The list of raw resources. */
const RAW = 'raw';

/** An object of a file, and where it stands, as in `listeners[0]`. */
export interface FileObject {
  readonly content: ObjectContent;
  readonly path: string;
}

export interface ObjectFile {
  readonly objects: readonly FileObject[];
  /** Parts of the file that are not for a control plane. */
  readonly ignored: readonly string[];
  /** Faults with the lines of the file that they are about. */
  readonly locate: (faults: readonly Fault[]) => Promise<readonly LocatedFault[]>;
}

export interface LocatedFault extends Fault {
  /** From 1. */
  readonly line?: number;
}

/**
 * Reads a file's text. What the objects say is for the decoder, unless the file is refused anyway: then all is told at once.
 *
 * @throws FaultsError with all that is wrong, and the lines.
 */
export async function readObjects(text: string): Promise<ObjectFile> {
  const parsed = await parseText(text);
  const faults: Fault[] = [...survey(parsed.raw).faults];
  const objects = faults.length > 0 ? [] : objectsOf(parsed.raw ?? {}, faults);
  if (faults.length > 0) throw new FaultsError(await parsed.locate([...faults, ...objects.flatMap(faultsIn)]));
  const ignored = isPlain(parsed.raw) && parsed.raw['admin'] !== undefined ? ['admin'] : [];
  return { objects, ignored, locate: (found) => parsed.locate(found) };
}

function faultsIn({ content, path }: FileObject): Fault[] {
  return contentFaults(content).map((each) => ({ ...each, path: each.path === '' ? path : `${path}.${each.path}` }));
}

function objectsOf(raw: unknown, faults: Fault[]): FileObject[] {
  const keys = [...LISTS, RAW, 'selector', 'labels', 'admin'];
  if (!isPlain(raw)) {
    faults.push(fault('', `an object with ${LISTS.join(', ')}`, raw));
    return [];
  }
  for (const key of Object.keys(raw)) {
    if (keys.includes(key)) continue;
    const near = nearest(key, keys);
    faults.push(fault(key, near === undefined ? `one of ${keys.join(', ')}` : `a known field (perhaps ${near})`, key));
  }
  const selector = readSelector(raw['selector'], 'selector', faults);
  const labels = readLabels(raw['labels'], 'labels', faults);
  const audienceOf: ReadAudience = (own, path) => ({
    selector: own.selector === undefined ? selector : readSelector(own.selector, `${path}.selector`, faults),
    labels: { ...labels, ...readLabels(own.labels, `${path}.labels`, faults) },
  });
  const places = new Map<string, string>();
  const takePlace = (key: ObjectKey, path: string): void => {
    const earlier = places.get(idOf(key));
    if (earlier === undefined) places.set(idOf(key), path);
    else if (key.name !== '') faults.push(fault(`${path}.name`, `a name that ${earlier} does not have`, key.name));
  };
  const rawItems = raw[RAW] === undefined ? [] : readRawItems(raw[RAW], RAW, faults, audienceOf);
  const objects = Object.entries(WIRE_LIST_OF).flatMap(([kind, list]) => {
    const items = raw[list] ?? [];
    if (!Array.isArray(items)) {
      faults.push(fault(list, 'a list', items));
      return [];
    }
    return items.flatMap((item: unknown, index) => {
      const path = `${list}[${index}]`;
      if (!isPlain(item)) {
        faults.push(fault(path, `a ${kind} (an object)`, item));
        return [];
      }
      const { name, selector: ownSelector, labels: ownLabels, ...rest } = item;
      const spec = withoutMisspelt(rest, path, faults);
      const key = { kind, name: typeof name === 'string' ? name : '' };
      if (typeof name !== 'string') faults.push(fault(`${path}.name`, 'a name: the control plane makes none up', name));
      else faults.push(...checkKey(key).map((each) => ({ ...each, path: `${path}.name` })));
      takePlace(key, path);
      const audience = audienceOf({ selector: ownSelector, labels: ownLabels }, path);
      const content: ObjectContent = { key, ...audience, spec: spec as Record<string, Json> };
      return [{ content, path }];
    });
  });
  for (const { content, path } of rawItems) takePlace(content.key, path);
  return [...objects, ...rawItems];
}

/** The decoder, which tells of all other fields, does not know these two, and would not guess them. */
function withoutMisspelt(fields: Record<string, unknown>, path: string, faults: Fault[]): Record<string, unknown> {
  const entries = Object.entries(fields).filter(([key]) => {
    const near = nearest(key, ['selector', 'labels']);
    if (near !== undefined) faults.push(fault(`${path}.${key}`, `a known field (perhaps ${near})`, key));
    return near === undefined;
  });
  return Object.fromEntries(entries);
}

const SELECTOR_FIELDS = ['matchLabels', 'matchExpressions', 'matchIds'];

function readSelector(raw: unknown, path: string, faults: Fault[]): Selector | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (!isPlain(raw)) {
    faults.push(fault(path, `an object with ${SELECTOR_FIELDS.join(', ')}`, raw));
    return undefined;
  }
  for (const key of Object.keys(raw)) {
    if (!SELECTOR_FIELDS.includes(key))
      faults.push(fault(`${path}.${key}`, `one of ${SELECTOR_FIELDS.join(', ')}`, key));
  }
  const expressions = listOf(raw['matchExpressions'], `${path}.matchExpressions`, faults);
  const selector: Selector = {
    match_labels: readLabels(raw['matchLabels'], `${path}.matchLabels`, faults),
    match_ids: strings(raw['matchIds'], `${path}.matchIds`, faults),
    match_expressions: expressions.flatMap((each, index) => {
      const place = `${path}.matchExpressions[${index}]`;
      if (!isPlain(each)) {
        faults.push(fault(place, 'an object with key, operator, values', each));
        return [];
      }
      const { key, operator, values, ...rest } = each;
      for (const other of Object.keys(rest)) faults.push(fault(`${place}.${other}`, 'key, operator or values', other));
      const text = (value: unknown): string => (typeof value === 'string' ? value : '');
      return [{ key: text(key), operator: text(operator), values: strings(values, `${place}.values`, faults) }];
    }),
  };
  for (const each of checkSelector(selector)) {
    faults.push({
      ...each,
      path: each.path.replace('selector.match_expressions', `${path}.matchExpressions`),
    });
  }
  return isEverybody(selector) ? undefined : selector;
}

function readLabels(raw: unknown, path: string, faults: Fault[]): Record<string, string> {
  if (raw === undefined || raw === null) return {};
  if (!isPlain(raw)) {
    faults.push(fault(path, 'an object of labels and values', raw));
    return {};
  }
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value === 'string') labels[key] = value;
    else faults.push(fault(`${path}.${key}`, 'a string (numbers in quotes)', value));
  }
  return labels;
}

function strings(raw: unknown, path: string, faults: Fault[]): string[] {
  return listOf(raw, path, faults).flatMap((item, index) => {
    if (typeof item === 'string') return [item];
    faults.push(fault(`${path}[${index}]`, 'a string (numbers in quotes)', item));
    return [];
  });
}

function listOf(raw: unknown, path: string, faults: Fault[]): unknown[] {
  if (raw === undefined || raw === null) return [];
  if (Array.isArray(raw)) return raw as unknown[];
  faults.push(fault(path, 'a list', raw));
  return [];
}

function fault(path: string, expected: string, found: unknown): Fault {
  return { path, expected, found: path.startsWith(WIRE_LIST_OF.Secret) ? kindOf(found) : show(found) };
}

/** Faults go to the log and to readers: of what may be a secret only its kind is told. */
function kindOf(found: unknown): string {
  if (found === undefined || found === null) return 'nothing';
  if (Array.isArray(found)) return 'a list';
  return typeof found === 'object' ? 'an object' : typeof found === 'string' ? 'text' : `a ${typeof found}`;
}

function show(found: unknown): string {
  const text = found === undefined ? 'nothing' : JSON.stringify(found);
  return text.includes(KEY_MARK) ? kindOf(found) : text.slice(0, 100);
}
