/** Raw resources as files have them: a type URL, a name, and bytes. */
import type { Fault } from '../../gen/messages.ts';
import type { ObjectContent } from '../model/object.ts';

const FORM = 'a list of {"type_url": …, "name": …, "value": base64}';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u;

/** For whom an object is, and its labels, by the fields of these names of an item. */
type Audience = Pick<ObjectContent, 'selector' | 'labels'>;
export type ReadAudience = (fields: { readonly selector: unknown; readonly labels: unknown }, path: string) => Audience;

/**
 * Reads what stands at `path`, and says at which paths what is wrong. Items have no selectors and labels without `readAudience`:
 * they are for all.
 */
export function readRawItems(
  list: unknown,
  path: string,
  faults: Fault[],
  readAudience?: ReadAudience,
): { readonly content: ObjectContent; readonly path: string }[] {
  if (!Array.isArray(list)) {
    faults.push({ path, expected: FORM, found: 'no list' });
    return [];
  }
  return list.map((item: unknown, index) => {
    const place = `${path}[${index}]`;
    if (!readAudience || typeof item !== 'object' || item === null) return readItem(item, place, faults);
    const { selector, labels, ...fields } = item as Readonly<Record<string, unknown>>;
    const { content } = readItem(fields, place, faults);
    return { path: place, content: { ...content, ...readAudience({ selector, labels }, place) } };
  });
}

function readItem(item: unknown, path: string, faults: Fault[]): { content: ObjectContent; path: string } {
  const fields = typeof item === 'object' && item !== null ? (item as Readonly<Record<string, unknown>>) : {};
  const { type_url: kind, name, value, ...others } = fields;
  const text = (field: string, found: unknown, expected: string, form: RegExp): string => {
    if (typeof found === 'string' && form.test(found)) return found;
    faults.push({
      path: `${path}.${field}`,
      expected,
      found: found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 80),
    });
    return '';
  };
  for (const key of Object.keys(others)) {
    faults.push({ path: `${path}.${key}`, expected: 'one of type_url, name, value', found: `"${key}"` });
  }
  const key = {
    kind: text('type_url', kind, 'a type URL', /^[^/]+\/[^/]+$/u),
    name: text('name', name, 'a name', /./u),
  };
  const raw = Buffer.from(text('value', value, 'bytes in base64', BASE64), 'base64');
  return { path, content: { key, labels: {}, raw } };
}
