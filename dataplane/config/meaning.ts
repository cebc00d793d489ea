/** What no schema says: which fields want or exclude each other, and circles among rule lists. */
import type { ConfigObjects } from '../core/config.ts';
import { readScalar, isPlain } from './scalars.ts';
import type { DecodedObject, Decoder } from './decoder.ts';

const TYPES =
  'number string boolean object array null undefined date date-time time lang lang-range iri absolute-iri'.split(' ');

/** Adds its faults to the decoder's. `existing` objects are those beside what was decoded. */
export function checkMeaning(decoder: Decoder, existing?: ConfigObjects): void {
  const { Rule: rules, RuleList: lists, Route: routes, Cluster: clusters } = decoder.objects;
  for (const { value, path } of rules.values()) checkRule(decoder, value, path);
  for (const { value, path } of routes.values()) checkRoute(decoder, value, path);
  for (const { value, path } of clusters.values()) checkCluster(decoder, value, path);
  checkCircles(decoder, lists, existing);
}

function checkRule(decoder: Decoder, { match, action }: Record<string, unknown>, path: string): void {
  if (isPlain(match)) checkMatch(decoder, match, `${path}.match`);
  if (isPlain(action) && action['route'] === undefined && action['apply'] === undefined) {
    decoder.fault(`${path}.action`, 'a route, or another rule list to apply', 'neither');
  }
}

function checkMatch(decoder: Decoder, match: Record<string, unknown>, path: string): void {
  const { op, value, apply } = match;
  if (match['match'] === '*') return;
  if (typeof op !== 'string') {
    if (match['op'] === undefined) decoder.fault(path, '"*", or an object with op', match);
    return;
  }
  const parts = Array.isArray(apply) ? (apply as unknown[]) : [];
  if (['and', 'or', 'not'].includes(op)) {
    if (parts.length === 0) decoder.fault(`${path}.apply`, `the predicates that "${op}" joins`, 'none');
    parts.forEach((part, index) => {
      if (isPlain(part)) checkMatch(decoder, part, `${path}.apply[${index}]`);
    });
    return;
  }
  if (match['path'] === undefined) decoder.fault(`${path}.path`, 'a JSON pointer, as in /IP/src_addr', 'nothing');
  const wanted = expectedValue(op, value);
  if (wanted !== undefined) decoder.fault(`${path}.value`, wanted, value);
}

/** What the operator wants of its value, where it isn't that. */
function expectedValue(op: string, value: unknown): string | undefined {
  switch (op) {
    case 'defined':
    case 'undefined':
      return undefined;
    case 'contains':
    case 'starts':
    case 'ends':
      return typeof value === 'string' ? undefined : 'a string';
    case 'matches':
      return typeof value === 'string'
        ? readScalar({ type: 'string', format: 'regex' }, value).expected
        : 'a regular expression';
    case 'in':
      return Array.isArray(value) ? undefined : 'a list';
    case 'less':
    case 'more':
      return typeof value === 'number' ? undefined : 'a number';
    case 'type':
      return typeof value === 'string' && TYPES.includes(value) ? undefined : `one of ${TYPES.join(', ')}`;
    default:
      return value === undefined ? 'a value' : undefined;
  }
}

function checkRoute(decoder: Decoder, route: Record<string, unknown>, path: string): void {
  const several = Array.isArray(route['destinations']) ? (route['destinations'] as unknown[]) : [];
  if (route['destination'] === undefined && several.length === 0) {
    decoder.fault(`${path}.destination`, 'a cluster (or several, as destinations)', 'nothing');
  } else if (route['destination'] !== undefined && several.length > 0) {
    decoder.fault(`${path}.destinations`, 'either destination or destinations', 'both');
  } else if (several.length > 0 && several.every((each) => isPlain(each) && each['weight'] === 0)) {
    decoder.fault(`${path}.destinations`, 'a weight above 0', 'none');
  }
}

function checkCluster(decoder: Decoder, cluster: Record<string, unknown>, path: string): void {
  const { loadbalancer, health_check: check } = cluster;
  if (isPlain(loadbalancer) && typeof loadbalancer['key'] === 'string' && loadbalancer['key'].startsWith('/')) {
    const { expected } = readScalar({ type: 'string', format: 'json-pointer' }, loadbalancer['key']);
    if (expected !== undefined) decoder.fault(`${path}.loadbalancer.key`, expected, loadbalancer['key']);
  }
  if (isPlain(check)) {
    for (const field of ['send', 'expect']) {
      const text = check[field];
      if (typeof text === 'string' && text.startsWith('0x') && !/^0x([\da-f]{2})*$/iu.test(text)) {
        decoder.fault(`${path}.health_check.${field}`, 'text, or bytes in hexadecimal after 0x', text);
      }
    }
  }
}

/** A rule list that applies itself, over however many others, would never decide. */
function checkCircles(
  decoder: Decoder,
  lists: ReadonlyMap<string, DecodedObject>,
  existing: ConfigObjects | undefined,
): void {
  const rulesOf = (name: string): readonly unknown[] => {
    const rules = lists.get(name)?.value['rules'] ?? existing?.rulelists.get(name)?.value.rules;
    return Array.isArray(rules) ? (rules as unknown[]) : [];
  };
  const appliedBy = (rule: string): unknown => {
    const action = decoder.objects.Rule.get(rule)?.value['action'] ?? existing?.rules.get(rule)?.value.action;
    return isPlain(action) ? action['apply'] : undefined;
  };
  const done = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    if (above.includes(name)) {
      const circle = [...above.slice(above.indexOf(name)), name].join(' -> ');
      decoder.fault(lists.get(name)?.path ?? name, 'rule lists that do not apply each other in a circle', circle);
      return;
    }
    if (done.has(name)) return;
    for (const rule of rulesOf(name)) {
      const next = typeof rule === 'string' ? appliedBy(rule) : undefined;
      if (typeof next === 'string') visit(next, [...above, name]);
    }
    done.add(name);
  };
  for (const name of lists.keys()) visit(name, []);
}
