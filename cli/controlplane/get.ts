/** `l7mp get`: objects of the control plane, once or as they change. */
import type {
  GetResponse,
  ListResponse,
  Object as ConfigObject,
  ObjectKey,
  WatchResponse,
} from '../../gen/messages.ts';
import { UsageError } from '../exit.ts';
import { formatRow, formatTable } from '../table.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';
import { stateOf } from '../../controlplane/model/object-state.ts';
import { toJson, toRaw, toYaml } from '../../controlplane/model/object-text.ts';
import { ageOf, formatSelector, isRaw, progressOf, rolloutOf } from './format.ts';
import { formatKey, isKey, parseKeys, parseKind } from './kinds.ts';
import { untilInterrupted } from './interrupt.ts';
import { listPages } from './pages.ts';

type Output = 'table' | 'wide' | 'yaml' | 'json' | 'raw';

export interface GetOptions extends ServerOptions {
  readonly output: Output;
  readonly selector?: Readonly<Record<string, string>>;
  readonly watch?: true;
}

/** What is asked for: kinds (none: all), and names where only those are. */
interface Question {
  readonly kinds: readonly string[];
  readonly keys: readonly ObjectKey[];
}

export async function get(words: readonly string[], options: GetOptions): Promise<void> {
  const question = questionOf(words);
  const output = options.json ? 'json' : options.output;
  if (options.watch && output !== 'table' && output !== 'wide' && output !== 'json') {
    throw new UsageError(`expected -o json, wide or no -o beside --watch, found -o ${output}`);
  }
  if (output === 'raw') checkRaw(question);
  await withControlPlane(options, async (controlPlane) => {
    if (options.watch) {
      await untilInterrupted((signal) => watch(controlPlane, question, options.selector ?? {}, output, signal));
      return;
    }
    const objects = await find(controlPlane, question, options.selector ?? {});
    process.stdout.write(print(objects, output, question));
    if (objects.length === 0 && output === 'table') console.error('nothing found');
  });
}

/** Only what has a type URL for its kind is a raw resource. @throws UsageError */
function checkRaw({ kinds, keys }: Question): void {
  const others = [...kinds.filter((kind) => !isRaw(kind)), ...keys.filter(({ kind }) => !isRaw(kind)).map(formatKey)];
  if (others.length === 0) return;
  throw new UsageError(`expected raw resources beside -o raw, found ${others.join(', ')}: -o yaml shows them`);
}

function questionOf(words: readonly string[]): Question {
  const [first] = words;
  if (first === undefined) return { kinds: [], keys: [] };
  if (isKey(first) || words.length > 1) return { kinds: [], keys: parseKeys(words) };
  return { kinds: first.split(',').map(parseKind), keys: [] };
}

async function find(
  controlPlane: ControlPlane,
  { kinds, keys }: Question,
  labels: Readonly<Record<string, string>>,
): Promise<ConfigObject[]> {
  if (keys.length === 0) return listAll(controlPlane, { kinds, labels });
  const answers = await Promise.all(keys.map((key) => controlPlane.call<GetResponse>('Get', { key })));
  return answers
    .flatMap(({ object }) => (object === undefined ? [] : [object]))
    .filter((object) => hasLabels(object, labels));
}

/** All pages of a listing. */
async function listAll(controlPlane: ControlPlane, request: object = {}): Promise<ConfigObject[]> {
  return listPages(controlPlane, 'List', request, ({ objects }: ListResponse) => objects);
}

function hasLabels({ labels }: ConfigObject, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

function print(objects: readonly ConfigObject[], output: Output, { keys }: Question): string {
  switch (output) {
    case 'yaml':
      return toYaml(objects);
    case 'json': {
      // One that was asked for by its name stands by itself.
      const shown = keys.length === 1 ? objects[0] : objects;
      return `${JSON.stringify(toJson(shown), null, 2)}\n`;
    }
    case 'raw':
      return `${JSON.stringify(toRaw(objects), null, 2)}\n`;
    case 'wide':
    case 'table':
      return formatTable(header(output), objects.map(rowOf(output)));
  }
}

export const OBJECT_HEADER = ['OBJECT', 'STATUS', 'PROXIES', 'FOR', 'AGE'];
const WIDE_HEADER = ['SOURCE', 'REVISION', 'VERSION', 'ROLLOUT', 'LABELS'];

function header(output: Output): readonly string[] {
  return output === 'wide' ? [...OBJECT_HEADER, ...WIDE_HEADER] : OBJECT_HEADER;
}

export function objectRow(object: ConfigObject): string[] {
  const { key, selector, changed_at: changedAt } = object;
  return [formatKey(key), stateOf(object), progressOf(object), formatSelector(selector), ageOf(changedAt)];
}

function rowOf(output: Output): (object: ConfigObject) => string[] {
  return (object) => {
    if (output !== 'wide') return objectRow(object);
    const { source, revision, version, labels } = object;
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return [...objectRow(object), source, String(revision), version, rolloutOf(object), pairs.join(',')];
  };
}

/** As wide as most tables come out: lines are printed before later ones are known. */
const WATCH_WIDTHS = [30, 10, 9, 20, 4];

async function watch(
  controlPlane: ControlPlane,
  { kinds, keys }: Question,
  labels: Readonly<Record<string, string>>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const names = new Set(keys.map(formatKey));
  const watched = keys.length > 0 ? [...new Set(keys.map(({ kind }) => kind))] : kinds;
  const widths = [9, ...WATCH_WIDTHS];
  let hasHead = output === 'json';
  for await (const { type, object } of controlPlane.stream<WatchResponse>(
    'Watch',
    { kinds: watched, status: true },
    signal,
  )) {
    // There is something to show, and be it that there is nothing yet.
    if (!hasHead) process.stdout.write(formatRow(['EVENT', ...header(output)], widths));
    hasHead = true;
    if (object === undefined || (names.size > 0 && !names.has(formatKey(object.key)))) continue;
    if (type !== 'delete' && !hasLabels(object, labels)) continue;
    if (output === 'json') console.log(JSON.stringify(toJson({ type, object })));
    else {
      const row = type === 'delete' ? [formatKey(object.key)] : rowOf(output)(object);
      process.stdout.write(formatRow([type, ...row], widths));
    }
  }
}
