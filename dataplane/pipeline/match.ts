/** Match predicates over metadata (draft-snell-json-test-07), compiled once to closures. */
import type { Json, Match } from '../../gen/l7mp/config/v1/types.ts';
import { isJsonObject } from '../../common/json.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import { compileRegex } from '../../common/regex.ts';
import type { Metadata } from '../core/session.ts';
import { hasPrefix } from './path-prefix.ts';

export type Predicate = (metadata: Metadata) => boolean;
type Test = (value: Json | undefined) => boolean;

const compiled = new WeakMap<Match, Predicate>();
const always: Predicate = () => true;

/** The predicate of a configured match; the same object gives the same closure. */
export function predicateOf(match: Match | undefined): Predicate {
  if (match === undefined) return always;
  let predicate = compiled.get(match);
  if (predicate === undefined) {
    predicate = compile(match, []);
    compiled.set(match, predicate);
  }
  return predicate;
}

function compile(match: Match, base: readonly string[]): Predicate {
  if (match.op === undefined) return always;
  const path = [...base, ...parsePointer(match.path ?? '')];
  switch (match.op) {
    case 'and': {
      const parts = match.apply.map((part) => compile(part, path));
      return (metadata) => parts.every((part) => part(metadata));
    }
    case 'or': {
      const parts = match.apply.map((part) => compile(part, path));
      return (metadata) => parts.some((part) => part(metadata));
    }
    case 'not': {
      const parts = match.apply.map((part) => compile(part, path));
      return (metadata) => !parts.some((part) => part(metadata));
    }
    default: {
      const test = compileTest(match.op, match.value, match.ignore_case);
      return (metadata) => test(getAt(metadata, path));
    }
  }
}

type TestOp = Exclude<NonNullable<Match['op']>, 'and' | 'or' | 'not'>;

function compileTest(op: TestOp, value: Json | undefined, ignoreCase: boolean): Test {
  const fold = ignoreCase ? (text: string): string => text.toLowerCase() : (text: string): string => text;
  const text = typeof value === 'string' ? fold(value) : undefined;
  const onText =
    (test: (found: string, wanted: string) => boolean): Test =>
    (found) =>
      typeof found === 'string' && text !== undefined && test(fold(found), text);
  switch (op) {
    case 'defined':
      return (found) => found !== undefined;
    case 'undefined':
      return (found) => found === undefined;
    case 'test':
      return (found) => found !== undefined && equal(found, value, fold);
    case 'in':
      return (found) =>
        found !== undefined && Array.isArray(value) && value.some((wanted) => equal(found, wanted, fold));
    case 'contains':
      return onText((found, wanted) => found.includes(wanted));
    case 'starts':
      return onText((found, wanted) => found.startsWith(wanted));
    case 'ends':
      return onText((found, wanted) => found.endsWith(wanted));
    case 'prefix': {
      const base = text?.replace(/\/+$/u, '');
      return (found) => typeof found === 'string' && base !== undefined && hasPrefix(fold(found), base);
    }
    case 'matches': {
      if (typeof value !== 'string') return () => false;
      const isFound = compileRegex(value, ignoreCase);
      return (found) => typeof found === 'string' && isFound(found);
    }
    case 'less':
      return (found) => typeof found === 'number' && typeof value === 'number' && found < value;
    case 'more':
      return (found) => typeof found === 'number' && typeof value === 'number' && found > value;
    case 'type':
      return TYPE_TESTS[value as string] ?? (() => false);
  }
}

function equal(a: Json, b: Json | undefined, fold: (text: string) => string): boolean {
  if (typeof a === 'string' && typeof b === 'string') return fold(a) === fold(b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = Object.entries(a);
  if (left.length !== Object.keys(b).length) return false;
  return left.every(([key, value]) => Object.hasOwn(b, key) && equal(value, (b as Record<string, Json>)[key], fold));
}

const matching =
  (expression: RegExp): Test =>
  (found) =>
    typeof found === 'string' && expression.test(found);

const DATE = String.raw`\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])`;
const TIME = String.raw`([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)`;
const IRI_CHARACTERS = String.raw`[^\s<>"{}|\\^\x60]*`;

/** The types that `op: type` knows (section 3 of the draft; RFC 3339, RFC 5646, RFC 4647 and RFC 3987 for the last). */
const TYPE_TESTS: Readonly<Record<string, Test>> = {
  number: (found) => typeof found === 'number',
  string: (found) => typeof found === 'string',
  boolean: (found) => typeof found === 'boolean',
  object: isJsonObject,
  array: (found) => Array.isArray(found),
  null: (found) => found === null,
  undefined: (found) => found === undefined,
  date: matching(new RegExp(`^${DATE}$`, 'u')),
  'date-time': matching(new RegExp(`^${DATE}[Tt]${TIME}$`, 'u')),
  time: matching(new RegExp(`^${TIME}$`, 'u')),
  lang: matching(/^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/u),
  'lang-range': matching(/^(\*|[A-Za-z]{1,8})(-(\*|[A-Za-z0-9]{1,8}))*$/u),
  iri: matching(new RegExp(`^${IRI_CHARACTERS}$`, 'u')),
  'absolute-iri': matching(new RegExp(`^[A-Za-z][A-Za-z0-9+.-]*:${IRI_CHARACTERS}$`, 'u')),
};
