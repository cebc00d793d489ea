/** Matches of HTTPRoutes and GRPCRoutes as predicates of rules, and which of them goes first. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { compileRegex } from '../../../common/regex.ts';
import type { GRPCRouteMatch, HTTPRouteMatch, ValueMatch } from '../api/gateway-kinds.ts';
import { headerPath, pointerToken } from './pointers.ts';

export interface RankedMatch {
  /** Absent: every request. */
  readonly match?: Json;
  /** The greater goes first, by its first number, then the next. */
  readonly rank: readonly number[];
  /** What a path begins with, where the match says so: `/` when it says nothing. */
  readonly prefix?: string;
}

export interface Matches {
  readonly matches: readonly RankedMatch[];
  readonly faults: readonly string[];
}

export function byRank(one: readonly number[], other: readonly number[]): number {
  for (const [index, value] of one.entries()) {
    const difference = (other[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A predicate that holds where all do; undefined where there are none. */
export function allOf(predicates: readonly Json[]): Json | undefined {
  return predicates.length > 1 ? { op: 'and', apply: [...predicates] } : predicates[0];
}

const PATH = '/HTTP/url/path';

/** In the order of HTTPRouteRule: an exact path, the longer prefix, a method, more header fields, more query parameters. */
export function httpMatches(matches: readonly HTTPRouteMatch[] | undefined): Matches {
  return readAll(matches, ({ path, method, headers = [], queryParams = [] }, check) => {
    const { type = 'PathPrefix', value = '/' } = path ?? {};
    const fields = distinct(headers, (name) => name.toLowerCase());
    const parameters = distinct(queryParams, (name) => name);
    const predicates: Json[] = [];
    if (type === 'Exact') predicates.push({ op: 'test', path: PATH, value });
    else if (type === 'RegularExpression') predicates.push(check.whole(PATH, value));
    else if (value !== '/') predicates.push({ op: 'prefix', path: PATH, value });
    if (method !== undefined) predicates.push({ op: 'test', path: '/HTTP/method', value: method });
    for (const [name, field] of fields) predicates.push(check.value(headerPath(name), field));
    for (const [name, field] of parameters)
      predicates.push(check.value(`/HTTP/url/params/${pointerToken(name)}`, field));
    const kind = type === 'Exact' ? 2 : Number(type === 'RegularExpression');
    const rank = [kind, value.length, Number(method !== undefined), fields.length, parameters.length];
    return { ...matched(predicates), rank, ...(type === 'PathPrefix' && { prefix: value }) };
  });
}

/** In the order of GRPCRouteRule: more characters of the service, of the method, more header fields. */
export function grpcMatches(matches: readonly GRPCRouteMatch[] | undefined): Matches {
  return readAll(matches, ({ method: call = {}, headers = [] }, check) => {
    const { type = 'Exact', service = '', method = '' } = call;
    const fields = distinct(headers, (name) => name.toLowerCase());
    const predicates: Json[] = [];
    if (type === 'RegularExpression') {
      if (service !== '' || method !== '') {
        const [of, name] = [service, method].map((part) => (part === '' ? '[^/]+' : `(?:${part})`));
        predicates.push(check.whole(PATH, `/${of ?? ''}/${name ?? ''}`));
      }
    } else if (service !== '') {
      const value = `/${service}/${method}`;
      predicates.push({ op: method === '' ? 'starts' : 'test', path: PATH, value });
    } else if (method !== '') {
      predicates.push({ op: 'ends', path: PATH, value: `/${method}` });
    }
    for (const [name, field] of fields) predicates.push(check.value(headerPath(name), field));
    return { ...matched(predicates), rank: [service.length, method.length, fields.length] };
  });
}

interface Checker {
  /** The whole text matches. */
  whole(path: string, expression: string): Json;
  value(path: string, match: ValueMatch): Json;
}

function readAll<Match>(
  matches: readonly Match[] | undefined,
  read: (match: Match, check: Checker) => RankedMatch,
): Matches {
  const faults: string[] = [];
  const whole = (path: string, expression: string): Json => {
    try {
      compileRegex(expression);
    } catch {
      faults.push(`matches: expected a regular expression as RE2 knows it, found ${JSON.stringify(expression)}`);
    }
    return { op: 'matches', path, value: `^(?:${expression})$` };
  };
  const value = (path: string, { type = 'Exact', value: text }: ValueMatch): Json =>
    type === 'RegularExpression' ? whole(path, text) : { op: 'test', path, value: text };
  const list = matches === undefined || matches.length === 0 ? [{} as Match] : matches;
  return { matches: list.map((match) => read(match, { whole, value })), faults };
}

function matched(predicates: readonly Json[]): { match?: Json } {
  const match = allOf(predicates);
  return match === undefined ? {} : { match };
}

/** The first of each name counts. */
function distinct(matches: readonly ValueMatch[], keyOf: (name: string) => string): [string, ValueMatch][] {
  const found = new Map<string, ValueMatch>();
  for (const match of matches) {
    const key = keyOf(match.name);
    if (!found.has(key)) found.set(key, match);
  }
  return [...found];
}
