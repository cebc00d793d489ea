/** Objects as people and programs read them. */
import { WIRE_LIST_OF } from '../../config/wire-kinds.ts';
import { stringify } from 'yaml';
import type { Object as ConfigObject, Selector } from '../../gen/messages.ts';
import { KINDS } from './kinds.ts';

/** Plain JSON of an answer: bytes in base64. */
export function toJson(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** Objects as a file has them, which `apply` takes; raw resources under `raw`. */
export function toYaml(objects: readonly ConfigObject[]): string {
  const lists = KINDS.flatMap(({ kind }) => {
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

/** For whom an object is: `all`, `site=a,tier!=b`, `id=edge-1`. */
export function formatSelector(selector: Selector | undefined): string {
  if (selector === undefined) return 'all';
  const { match_labels, match_expressions, match_ids } = selector;
  const parts = [
    ...Object.entries(match_labels).map(([key, value]) => `${key}=${value}`),
    ...match_expressions.map(({ key, operator, values }) =>
      operator === 'Exists'
        ? key
        : operator === 'DoesNotExist'
          ? `!${key}`
          : `${key} ${operator} (${values.join(',')})`,
    ),
    ...(match_ids.length === 0 ? [] : [`id=${match_ids.join('|')}`]),
  ];
  return parts.length === 0 ? 'all' : parts.join(',');
}

/** The one word that says how an object fares. */
export function stateOf({ status }: ConfigObject): string {
  if (status === undefined) return 'Unknown';
  const { accepted, shadowed_by, failed, selected, acked, serving } = status;
  if (shadowed_by !== '') return 'Shadowed';
  if (!accepted) return 'Invalid';
  if (failed.length > 0) return 'Failed';
  if (selected === 0) return 'Accepted';
  if (serving >= selected) return 'Serving';
  return acked >= selected ? 'Programmed' : 'Pending';
}

/** The proxies that an object is for: those where it serves of all. Where it can't be known, those that took it. */
export function progressOf({ status, key }: ConfigObject): string {
  if (status === undefined) return '';
  const reached = isRaw(key?.kind) ? status.acked : status.serving;
  return `${reached} of ${status.selected}`;
}

/** The rollout that changes an object: `paused at 25 %`; nothing where there is none. */
export function rolloutOf({ status }: ConfigObject): string {
  return status?.rollout ? `${status.rollout.state} at ${status.rollout.percent} %` : '';
}

/** Whether objects of a kind are raw resources: it is a type URL. */
export function isRaw(kind = ''): boolean {
  return kind.includes('/');
}

/** How long ago, as `5 min`. */
export function ageOf(iso: string | undefined): string {
  if (iso === undefined) return '';
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(iso)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
