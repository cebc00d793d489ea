/** Decodes a whole configuration, or one object for the REST API: every fault at once, nothing half done. */
import type {
  Admin,
  Cluster,
  ClusterLoadAssignment,
  Listener,
  Route,
  Rule,
  RuleList,
  Secret,
  Tap,
} from '../gen/l7mp/config/v1/types.ts';
import { schema as builtin } from '../gen/l7mp/config/v1/schema.ts';
import type { FieldSchema, MessageSchema, Schema } from '../gen/schema-types.ts';
import type { Plain } from '../common/address.ts';
import type { ConfigObjects, ConfigSnapshot, Kind, Owned, Source } from './snapshot.ts';
import type { Fault } from '../common/errors.ts';
import { longestTimer } from '../common/timer.ts';
import { KIND_OF, LIST_OF, LISTS } from './kinds.ts';
import { type DecodedObject, Decoder, type DecoderOptions } from './decoder.ts';
import { checkMeaning } from './meaning.ts';
import { join } from './paths.ts';
import { Places } from './places.ts';
import { isPlain, oneOf } from './scalars.ts';
import { checkSecret } from './secret.ts';
import { type Survey, survey } from './survey.ts';
import { checkTap } from './tap.ts';

/** What a plugin's protocol adds to the schema. */
export interface PluggedIn {
  readonly name: string;
  /** Its roles: there where it has them. */
  readonly listener?: object;
  readonly connector?: object;
  readonly schema?:
    { readonly listener?: MessageSchema; readonly cluster?: MessageSchema; readonly messages?: Schema } | undefined;
}

export interface DecodeOptions {
  /** The schema, with those of plugins: see `withPlugins`. The built-in one when absent. */
  readonly schema?: Schema;
  /** Unknown fields are passed over. */
  readonly lenient?: boolean;
  /** Who wrote the objects; `local` when absent. */
  readonly source?: Source;
}

/** The snapshot, or what is wrong. */
export type Decoded<T> =
  | { readonly value: T; readonly faults: readonly never[] }
  | { readonly value?: undefined; readonly faults: readonly Fault[] };

/** The same, with where its objects were written. */
export type DecodedConfig =
  | { readonly value: ConfigSnapshot; readonly places: Places; readonly faults: readonly never[] }
  | { readonly value?: undefined; readonly faults: readonly Fault[] };

/** Decodes what a configuration file holds. An empty one is a configuration, too. */
export function decodeConfig(raw: unknown, options: DecodeOptions = {}): DecodedConfig {
  const surveyed = survey(raw);
  if (surveyed.faults.length > 0) return { faults: surveyed.faults };
  const decoder = newDecoder(options, surveyed, () => false);
  const plain = raw ?? {};
  if (!isPlain(plain)) {
    decoder.fault('', 'an object with listeners, clusters, rulelists, rules, routes or admin', raw);
    return { faults: decoder.faults };
  }
  let admin: Admin | undefined;
  decoder.run(() => {
    const fields = ['admin', ...LISTS];
    for (const key of Object.keys(plain)) {
      if (!fields.includes(key) && !options.lenient) decoder.fault(join('', key), oneOf(fields, key), key);
    }
    admin = decodeAdmin(decoder, plain['admin']);
    const lists = LISTS.map((name) => ({ name, kind: KIND_OF[name], items: itemsOf(decoder, plain, name) }));
    // Objects with names come first, so that made-up names keep clear of them.
    for (const named of [true, false]) {
      for (const { name, kind, items } of lists) {
        items.forEach((item, index) => {
          const hasName = isPlain(item) && (item['name'] ?? undefined) !== undefined;
          if (hasName === named) decoder.object(kind, item, `${name}[${index}]`, undefined);
        });
      }
    }
    checkMeaning(decoder);
  });
  if (decoder.faults.length > 0 || admin === undefined) return { faults: decoder.faults };
  const handedOut = { assignments: new Map(), secrets: new Map() };
  return {
    value: { admin, handedOut, ...collect(decoder, options) },
    places: new Places(decoder.objects),
    faults: [],
  };
}

function decodeAdmin(decoder: Decoder, raw: unknown): Admin {
  const plain = raw ?? {};
  if (!isPlain(plain)) decoder.fault('admin', 'an object', raw);
  const { offload, ...others } = isPlain(plain) ? plain : {};
  const takesOver = offload === 'no_init';
  if (takesOver) {
    decoder.fault('admin.offload', 'init or disable, as flows of another process can not be taken over', offload);
  }
  const read = takesOver || offload === undefined ? others : { ...others, offload };
  // As with `collect`: by the schema that the type is generated from.
  return decoder.message('Admin', read, 'admin', undefined) as unknown as Admin;
}

function itemsOf(decoder: Decoder, plain: Plain, list: string): readonly unknown[] {
  const items = plain[list] ?? [];
  if (Array.isArray(items)) return items as unknown[];
  decoder.fault(list, 'a list', items);
  return [];
}

/** One object, with those that are written in it. */
export interface DecodedPart {
  readonly name: string;
  readonly objects: ConfigObjects;
}

/** Decodes one object of a kind, as the REST API gets it. Names of `existing` objects are taken. */
export function decodeObject(
  kind: Kind,
  raw: unknown,
  existing: ConfigObjects,
  options: DecodeOptions = {},
): Decoded<DecodedPart> {
  const surveyed = survey(raw);
  if (surveyed.faults.length > 0) return { faults: surveyed.faults };
  const exists = (each: Kind, name: string): boolean => existing[LIST_OF[each]].has(name);
  const decoder = newDecoder(options, surveyed, exists);
  let name: string | undefined;
  decoder.run(() => {
    name = decoder.object(kind, raw, kind.toLowerCase(), undefined);
    checkMeaning(decoder, existing);
  });
  if (decoder.faults.length > 0 || name === undefined) return { faults: decoder.faults };
  return { value: { name, objects: collect(decoder, options) }, faults: [] };
}

/** What only a control plane hands out. */
interface HandedOut {
  ClusterLoadAssignment: ClusterLoadAssignment;
  Secret: Secret;
}

/** Decodes an object of a kind that configuration files do not have. */
export function decodeHandedOut<K extends keyof HandedOut>(
  kind: K,
  raw: unknown,
  options: DecodeOptions = {},
): Decoded<HandedOut[K]> {
  const surveyed = survey(raw);
  if (surveyed.faults.length > 0) return { faults: surveyed.faults };
  const decoder = newDecoder(options, surveyed, () => false);
  if (!isPlain(raw) || typeof raw['name'] !== 'string') {
    decoder.fault('', `a ${kind} (an object with a name)`, raw);
    return { faults: decoder.faults };
  }
  // Endpoints are named after the cluster, as if they stood in it.
  const { name } = raw;
  let value: Plain = {};
  decoder.run(() => (value = decoder.message(kind, raw, '', { kind: 'Cluster', name })));
  if (decoder.faults.length > 0) return { faults: decoder.faults };
  const decoded = { ...value, name };
  const faults = kind === 'Secret' ? checkSecret(decoded) : [];
  return faults.length > 0 ? { faults } : { value: decoded as unknown as HandedOut[K], faults: [] };
}

/** Decodes what is asked for of a tap. */
export function decodeTap(raw: unknown, options: DecodeOptions = {}): Decoded<Tap> {
  const surveyed = survey(raw);
  if (surveyed.faults.length > 0) return { faults: surveyed.faults };
  const decoder = newDecoder(options, surveyed, () => false);
  if (!isPlain(raw)) {
    decoder.fault('tap', 'an object with listener or session', raw);
    return { faults: decoder.faults };
  }
  let value: Plain = {};
  decoder.run(() => {
    value = decoder.message('Tap', raw, '', undefined);
    checkTap(decoder, value);
  });
  return decoder.faults.length > 0 ? { faults: decoder.faults } : { value: value as unknown as Tap, faults: [] };
}

/** The built-in schema with the specs of plugins added. */
export function withPlugins(plugins: Iterable<PluggedIn>): Schema {
  const merged: Record<string, Schema[string]> = { ...builtin };
  for (const { name, listener, connector, schema } of plugins) {
    for (const [own, message] of Object.entries(schema?.messages ?? {})) merged[own] = withLongestTimes(message);
    const roles = [
      ['ListenerSpec', listener && withLongestTimes(schema?.listener ?? { fields: {} }), `${name}Listener`],
      ['ClusterSpec', connector && withLongestTimes(schema?.cluster ?? { fields: {} }), `${name}Cluster`],
    ] as const;
    for (const [spec, message, messageName] of roles) {
      if (message === undefined) continue;
      merged[messageName] = message;
      merged[spec] = { variants: { ...merged[spec]?.variants, [name]: { message: messageName } } };
    }
  }
  return merged;
}

/** Times are as long as timers can be, unless the message says less: those of the built-in schema have that already. */
function withLongestTimes({ fields, ...others }: MessageSchema): MessageSchema {
  if (fields === undefined) return others as MessageSchema;
  const limited = Object.entries(fields).map(([name, field]): [string, FieldSchema] => {
    const max = field.max ?? longestTimer(field.unit);
    return [name, max === undefined ? field : { ...field, max }];
  });
  return { fields: Object.fromEntries(limited) };
}

function newDecoder(
  { schema = builtin, lenient = false }: DecodeOptions,
  { names }: Survey,
  exists: DecoderOptions['exists'],
): Decoder {
  return new Decoder({ schema, lenient, names, exists });
}

function collect({ objects }: Decoder, { source = 'local' }: DecodeOptions): ConfigObjects {
  // The decoder has checked every field by the schema that these types are generated from.
  const typed = <T>(decoded: ReadonlyMap<string, DecodedObject>): ReadonlyMap<string, Owned<T>> =>
    new Map([...decoded].map(([name, { value, owner }]) => [name, { value: value as T, owner, source }]));
  return {
    listeners: typed<Listener>(objects.Listener),
    clusters: typed<Cluster>(objects.Cluster),
    rulelists: typed<RuleList>(objects.RuleList),
    rules: typed<Rule>(objects.Rule),
    routes: typed<Route>(objects.Route),
  };
}

/** A configuration with nothing in it. */
export function emptySnapshot(): ConfigSnapshot {
  const { value } = decodeConfig({});
  if (value === undefined) throw new Error('the empty configuration has faults');
  return value;
}
