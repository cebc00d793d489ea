/** Kinds of configuration objects, as people name them. */
import { WIRE_LIST_OF, type WireKind } from '../../config/wire-kinds.ts';
import { nearest } from '../../common/nearest.ts';
import type { ObjectKey } from '../../gen/messages.ts';
import { UsageError } from '../exit.ts';

export interface KindNames {
  readonly kind: WireKind;
  /** Other names, in lower case; the plural is understood. */
  readonly short: readonly string[];
}

/** In the order in which a proxy wants them. */
export const KINDS: readonly KindNames[] = [
  { kind: 'Secret', short: ['sec'] },
  { kind: 'Cluster', short: ['cl'] },
  { kind: 'ClusterLoadAssignment', short: ['cla', 'ep', 'endpoint', 'loadassignment'] },
  { kind: 'Listener', short: ['li', 'lis'] },
  { kind: 'RuleList', short: ['rl'] },
  { kind: 'Rule', short: ['ru'] },
  { kind: 'Route', short: ['ro', 'rt'] },
];

/** As in `type.googleapis.com/envoy.config.listener.v3.Listener`. */
const TYPE_URL = /^[^/]*\.[^/]*\//u;

/** `listener`, `Listeners`, `cla`, or the type URL of a raw resource. @throws UsageError that lists the kinds. */
export function parseKind(text: string): string {
  if (TYPE_URL.test(text)) return text;
  const name = text.toLowerCase();
  const singular = name.replace(/s$/u, '');
  const found = KINDS.find(
    ({ kind, short }) =>
      [kind.toLowerCase(), ...short].some((each) => each === name || each === singular) || WIRE_LIST_OF[kind] === name,
  );
  if (found) return found.kind;
  const kinds = KINDS.map(({ kind }) => kind);
  const guess = nearest(text, kinds);
  const perhaps = guess === undefined ? '' : ` (perhaps ${guess})`;
  throw new UsageError(`expected a kind: ${kinds.join(', ')} or a type URL${perhaps}, found "${text}"`);
}

/** `Listener/web`; the kind may be a type URL, whose own slash is the first one then. @throws UsageError */
export function parseKey(text: string): ObjectKey {
  const isTypeUrl = TYPE_URL.test(text);
  const slash = text.indexOf('/', isTypeUrl ? text.indexOf('/') + 1 : 0);
  if (slash <= 0 || slash === text.length - 1) {
    throw new UsageError(`expected KIND/NAME, as in listener/web, found "${text}"`);
  }
  return { kind: parseKind(text.slice(0, slash)), name: text.slice(slash + 1) };
}

/** Whether a text begins with a kind and a slash; names of sessions don't. */
export function isKey(text: string): boolean {
  try {
    parseKey(text);
    return true;
  } catch {
    return false;
  }
}

/** `KIND NAME…` or `KIND/NAME…`, as the words of a command line. @throws UsageError */
export function parseKeys(words: readonly string[]): ObjectKey[] {
  const [first, ...names] = words;
  if (first === undefined) return [];
  if (isKey(first)) return words.map(parseKey);
  const kind = parseKind(first);
  if (names.length === 0) throw new UsageError(`expected the name of a ${kind}, found nothing`);
  return names.map((name) => ({ kind, name }));
}

export function formatKey(key: ObjectKey | undefined): string {
  return key === undefined ? '' : `${key.kind}/${key.name}`;
}
