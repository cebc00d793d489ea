/** Objects as files of objects have them, and answers as JSON has them. */
import { stringify } from 'yaml';
import { WIRE_KINDS, WIRE_LIST_OF } from '../../config/wire-kinds.ts';
import type { Object as ConfigObject, Selector } from '../../gen/messages.ts';

/** Plain JSON of an answer: bytes in base64. */
export function toJson(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** Objects as a file has them, which `apply` takes; raw resources under `raw`. */
export function toYaml(objects: readonly ConfigObject[]): string {
  const lists = WIRE_KINDS.flatMap((kind) => {
    const items = objects.filter(({ key }) => key?.kind === kind).map(toItem);
    return items.length === 0 ? [] : [[WIRE_LIST_OF[kind], items]];
  });
  const raw = objects.flatMap((object) => toRaw([object]).map((item) => ({ ...item, ...audienceItem(object) })));
  return stringify(Object.fromEntries([...lists, ...(raw.length === 0 ? [] : [['raw', raw]])]), { lineWidth: 0 });
}

function toItem(object: ConfigObject): object {
  return { name: object.key?.name, ...audienceItem(object), ...(sorted(object.spec ?? {}) as object) };
}

function audienceItem({ selector, labels }: ConfigObject): object {
  return {
    ...(selector && { selector: selectorItem(selector) }),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
}

/** Keys in one order, whoever wrote them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, sorted(item)]);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function selectorItem({ match_labels, match_expressions, match_ids }: Selector): object {
  return {
    ...(Object.keys(match_labels).length > 0 && { matchLabels: match_labels }),
    ...(match_expressions.length > 0 && { matchExpressions: match_expressions }),
    ...(match_ids.length > 0 && { matchIds: match_ids }),
  };
}

/** Raw resources as `apply --raw` takes them. */
export function toRaw(objects: readonly ConfigObject[]): object[] {
  return objects.flatMap(({ key, raw }) =>
    raw === undefined ? [] : [{ type_url: key?.kind, name: key?.name, value: raw.toString('base64') }],
  );
}
