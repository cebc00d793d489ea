/** Walks plain JSON by the generated schema: fills defaults, takes inline objects out, and collects every fault. */
import { isDeepStrictEqual } from 'node:util';
import type { FieldSchema, MessageSchema, Schema } from '../gen/schema-types.ts';
import type { Plain } from '../common/address.ts';
import type { Kind, Owner } from './snapshot.ts';
import type { Fault } from '../common/errors.ts';
import { ProxyError } from '../common/errors.ts';
import { nearest } from '../common/nearest.ts';
import { AutoNames, nameEndpoints } from './auto-names.ts';
import { join } from './paths.ts';
import { describe, isPlain, oneOf, readScalar } from './scalars.ts';
import { type Expanded, expandCluster, expandEndpoint, expandEndpointSpec, expandListenerSpec } from './short-forms.ts';
import { MAX_FAULTS, TooManyFaults } from './too-many-faults.ts';

/** An object that was decoded, and where it stood. */
export interface DecodedObject {
  readonly value: Plain;
  /** The one object that it was written in; none where it stands on its own, or in several. */
  owner: Owner | undefined;
  readonly path: string;
  /** What it was decoded from: the same definition may stand twice. */
  readonly raw: unknown;
}

export interface DecoderOptions {
  readonly schema: Schema;
  /** Whether an object of this name is there already, beside what is decoded: names that are taken. */
  readonly exists: (kind: Kind, name: string) => boolean;
  /** Names that stand anywhere in what is decoded. */
  readonly names: ReadonlySet<string>;
  /** Fields that the schema doesn't have are passed over, instead of being faults. */
  readonly lenient: boolean;
}

type Variants = NonNullable<MessageSchema['variants']>;

export class Decoder {
  readonly objects: Readonly<Record<Kind, Map<string, DecodedObject>>> = {
    Listener: new Map(),
    Cluster: new Map(),
    RuleList: new Map(),
    Rule: new Map(),
    Route: new Map(),
  };
  private readonly found: Fault[] = [];
  private stopped = false;
  private readonly options: DecoderOptions;
  private readonly autoNames: AutoNames;

  constructor(options: DecoderOptions) {
    this.options = options;
    this.autoNames = new AutoNames(
      (kind, name) => this.objects[kind].has(name) || options.names.has(name) || options.exists(kind, name),
    );
  }

  /** The schema that it decodes by. */
  get schema(): Schema {
    return this.options.schema;
  }

  /** Everything that is wrong so far. */
  get faults(): readonly Fault[] {
    if (!this.stopped) return this.found;
    return [...this.found, { path: '', expected: 'no further faults', found: 'more, which were not looked for' }];
  }

  /** Decodes something, or as much of it as has faults that somebody reads. */
  run(task: () => void): void {
    try {
      task();
    } catch (error) {
      if (!(error instanceof TooManyFaults)) throw error;
      this.stopped = true;
    }
  }

  /** Something else was expected than this value. */
  fault(path: string, expected: string, value: unknown): undefined {
    return this.tell(path, expected, describe(value));
  }

  /** The same, with words for what was found. */
  tell(path: string, expected: string, found: string): undefined {
    if (this.found.length >= MAX_FAULTS) throw new TooManyFaults();
    this.found.push({ path, expected, found });
    return undefined;
  }

  /** Whether something is wrong with a field, or in it: then it is absent, and that need not be told again. */
  isWrong(path: string): boolean {
    return this.found.some(
      (fault) => fault.path.startsWith(path) && /^(?:$|[.[])/u.test(fault.path.slice(path.length)),
    );
  }

  /** Decodes an object of a kind and keeps it under its name, which is given back. */
  object(kind: Kind, raw: unknown, path: string, owner: Owner | undefined, infix?: string): string | undefined {
    const list = kind === 'RuleList' && Array.isArray(raw);
    const plain = list ? { rules: raw } : this.expandSpec(kind, raw, path);
    if (!isPlain(plain)) return this.fault(path, `${article(kind)} (an object)`, raw);
    const given = this.nameOf(plain, path);
    const name = given ?? this.freeName(kind, owner, infix, plain);
    const earlier = this.objects[kind].get(name);
    if (earlier) return this.again(name, earlier, raw, path, owner);
    if (owner && given !== undefined && this.options.exists(kind, name)) {
      return this.tell(join(path, 'name'), 'a name that is not taken', `"${name}", already defined`);
    }
    const place: DecodedObject = { value: { name }, owner, path, raw };
    this.objects[kind].set(name, place); // before what it holds, so that its own name is taken
    const self = { kind, name };
    if (list) place.value['rules'] = this.field(this.fieldOf('RuleList', 'rules'), raw, path, self);
    else Object.assign(place.value, this.message(kind, { ...plain, name }, path, self));
    return name;
  }

  /** The same definition may stand at several places, which then share the object. */
  private again(
    name: string,
    earlier: DecodedObject,
    raw: unknown,
    path: string,
    owner: Owner | undefined,
  ): string | undefined {
    const listedTwice = owner === undefined && earlier.owner === undefined && !earlier.path.includes('.');
    if (listedTwice || !isDeepStrictEqual(earlier.raw, raw)) {
      const expected = `a name that ${earlier.path} does not have${listedTwice ? '' : ', or the same definition'}`;
      return this.fault(join(path, 'name'), expected, name);
    }
    if (owner?.kind !== earlier.owner?.kind || owner?.name !== earlier.owner?.name) earlier.owner = undefined;
    return name;
  }

  /** The name that an object brings along. */
  private nameOf(plain: Plain, path: string): string | undefined {
    const given = plain['name'] ?? undefined;
    if (given === undefined || (typeof given === 'string' && /^[^\p{Cc}]+$/u.test(given))) return given;
    return this.fault(join(path, 'name'), 'a name (one line of text; numbers in quotes)', given);
  }

  private freeName(kind: Kind, owner: Owner | undefined, infix: string | undefined, plain: Plain): string {
    if (kind !== 'Listener') return this.autoNames.ofPart(kind, owner, infix);
    const text = (value: unknown): string | number | undefined =>
      typeof value === 'string' || typeof value === 'number' ? value : undefined;
    const spec = isPlain(plain['spec']) ? plain['spec'] : {};
    const transport = spec['transport_spec'] ?? spec['transport'];
    const protocol = text(spec['protocol']);
    const canonical = findVariant(this.variantsOf('ListenerSpec'), protocol)?.[0] ?? protocol;
    return this.autoNames.ofListener(canonical?.toString(), text((isPlain(transport) ? transport : spec)['port']));
  }

  /** A listener or cluster whose spec is an address in one line, as the object that it stands for. */
  private expandSpec(kind: Kind, raw: unknown, path: string): unknown {
    if (!isPlain(raw) || typeof raw['spec'] !== 'string') return raw;
    const text = raw['spec'];
    const specPath = join(path, 'spec');
    if (kind === 'Listener') {
      const form = expandListenerSpec(text, this.protocolsOf('ListenerSpec'));
      return { ...raw, spec: this.expanded(form, specPath) ?? WRONG };
    }
    if (kind !== 'Cluster') return raw;
    const cluster = this.expanded(expandCluster(text, this.protocolsOf('ClusterSpec')), specPath) ?? { spec: WRONG };
    const { endpoints } = raw;
    if (cluster['endpoints'] === undefined || endpoints === undefined || endpoints === null) {
      return { ...raw, ...cluster };
    }
    this.fault(join(path, 'endpoints'), 'none beside the one that the spec names', endpoints);
    return { ...raw, spec: cluster['spec'], endpoints: WRONG };
  }

  private expanded(form: Expanded, path: string): Plain | undefined {
    return form.plain ?? this.tell(path, form.expected, form.found);
  }

  /** Decodes a message. Fields that are wrong are left out. */
  message(name: string, raw: Plain, path: string, owner: Owner | undefined): Plain {
    const { variants, fields } = this.messageOf(name);
    return variants ? this.variant(variants, raw, path, owner) : this.fields(fields, raw, path, owner);
  }

  private messageOf(name: string): MessageSchema {
    const schema = this.options.schema[name];
    if (schema === undefined) throw new ProxyError('INTERNAL', `the schema has no message ${name}`);
    return schema;
  }

  private fieldOf(message: string, name: string): FieldSchema {
    const field = this.messageOf(message).fields?.[name];
    if (field === undefined) throw new ProxyError('INTERNAL', `the schema has no field ${message}.${name}`);
    return field;
  }

  private variantsOf(name: string): Variants {
    return this.messageOf(name).variants ?? {};
  }

  private protocolsOf(name: string): string[] {
    return Object.entries(this.variantsOf(name)).flatMap(([protocol, { aliases = [] }]) => [protocol, ...aliases]);
  }

  private variant(variants: Variants, raw: Plain, path: string, owner: Owner | undefined): Plain {
    const { protocol: wanted, ...rest } = raw;
    const found = findVariant(variants, wanted);
    if (found === undefined) {
      const known = Object.keys(variants);
      const others = OTHER_ROLES.find(([spec]) => findVariant(this.variantsOf(spec), wanted));
      const protocolPath = join(path, 'protocol');
      if (others) this.tell(protocolPath, oneOf(known), `${describe(wanted)}, which only ${others[1]} have`);
      else this.fault(protocolPath, oneOf(known, wanted), wanted);
      return {};
    }
    const [protocol, { message }] = found;
    return { protocol, ...this.message(message, rest, path, owner) };
  }

  private fields(
    fields: Readonly<Record<string, FieldSchema>>,
    raw: Plain,
    path: string,
    owner: Owner | undefined,
  ): Plain {
    const known = new Set<string>();
    const value: Plain = {};
    for (const [name, field] of Object.entries(fields)) {
      const given = [name, ...(field.aliases ?? [])].filter((key) => Object.hasOwn(raw, key));
      for (const key of given) known.add(key);
      const [key = name, another] = given;
      if (another !== undefined) this.fault(join(path, another), `only one of ${given.join(' and ')}`, raw[another]);
      const decoded = this.field(field, Object.hasOwn(raw, key) ? raw[key] : undefined, join(path, key), owner);
      if (decoded !== undefined) value[name] = decoded;
    }
    for (const key of Object.keys(raw)) {
      if (known.has(key) || this.options.lenient || raw[key] === undefined) continue;
      this.fault(join(path, key), knownField(key, fields), key);
    }
    return value;
  }

  private field(field: FieldSchema, raw: unknown, path: string, owner: Owner | undefined): unknown {
    if (raw === WRONG) return undefined;
    if (raw === undefined || (raw === null && field.type !== 'json')) {
      if (field.required) return this.fault(path, this.expectation(field), raw);
      return this.absent(field, path, owner);
    }
    if (field.map) return this.map(field, raw, path);
    if (!field.repeated) return this.item(field, raw, path, owner);
    if (!Array.isArray(raw) && !mayStandAlone(field, raw)) return this.fault(path, 'a list', raw);
    const items = Array.isArray(raw) ? (raw as unknown[]) : [raw];
    if (field.required && items.length === 0) return this.tell(path, 'a list with something in it', 'an empty list');
    const decoded = items.map((item, index) =>
      this.item(field, item, Array.isArray(raw) ? `${path}[${index}]` : path, owner),
    );
    if (field.message === 'Endpoint' && owner) {
      this.checkEndpointNames(decoded, path);
      nameEndpoints(decoded, owner.name);
    }
    return decoded.filter((item) => item !== undefined);
  }

  private checkEndpointNames(endpoints: readonly unknown[], path: string): void {
    const places = new Map<unknown, string>();
    endpoints.forEach((each, index) => {
      const name = isPlain(each) ? each['name'] : undefined;
      if (name === undefined) return;
      const place = `${path}[${index}]`;
      const earlier = places.get(name);
      if (earlier === undefined) places.set(name, place);
      else this.fault(`${place}.name`, `a name that ${earlier} does not have`, name);
    });
  }

  private absent(field: FieldSchema, path: string, owner: Owner | undefined): unknown {
    if (field.repeated) return [];
    if (field.map) return {};
    if (field.default !== undefined) {
      return field.type === 'message' ? this.message(field.message ?? '', {}, path, owner) : field.default;
    }
    if (field.optional || field.assigned) return undefined;
    if (field.type === 'boolean') return false;
    return field.type === 'integer' || field.type === 'number' ? 0 : undefined;
  }

  private item(field: FieldSchema, raw: unknown, path: string, owner: Owner | undefined): unknown {
    if (field.reference !== undefined) return this.reference(field.reference as Kind, field, raw, path, owner);
    if (field.type === 'json') return raw;
    if (field.type === 'message') {
      const { message = '' } = field;
      const long = typeof raw === 'string' ? this.longForm(field, message, raw, path) : raw;
      if (long === WRONG) return undefined;
      const plain = EXPANSIONS[message]?.(long) ?? long;
      return isPlain(plain)
        ? this.message(message, plain, path, owner)
        : this.fault(path, this.expectation(field), plain);
    }
    const { value, expected } = readScalar(field, raw);
    return expected === undefined ? value : this.fault(path, expected, raw);
  }

  /** What a string stands for, where a message is wanted: what its shorthand says, or a spec in one line. */
  private longForm({ shorthand }: FieldSchema, message: string, text: string, path: string): unknown {
    if (shorthand !== undefined) {
      const field = this.fieldOf(message, shorthand);
      const expected = field.type === 'message' ? undefined : readScalar(field, text).expected;
      if (expected === undefined) return { [shorthand]: text };
      this.fault(path, `${expected}, or an object`, text);
      return WRONG;
    }
    if (message === 'ListenerSpec') {
      return this.expanded(expandListenerSpec(text, this.protocolsOf(message)), path) ?? WRONG;
    }
    if (message !== 'ClusterSpec') return text;
    const cluster = this.expanded(expandCluster(text, this.protocolsOf(message)), path);
    if (cluster?.['endpoints'] === undefined) return cluster?.['spec'] ?? WRONG;
    this.fault(path, "an object with a protocol: the endpoints are the cluster's own", text);
    return WRONG;
  }

  private reference(
    kind: Kind,
    field: FieldSchema,
    raw: unknown,
    path: string,
    owner: Owner | undefined,
  ): string | undefined {
    if (typeof raw === 'string' && raw !== '') {
      // A cluster may stand as an address in one line: names have no slashes behind a colon.
      if (kind === 'Cluster' && /^[a-z0-9+-]+:\/\//iu.test(raw))
        return this.object(kind, { spec: raw }, path, owner, field.infix);
      return raw;
    }
    if (isPlain(raw) || (kind === 'RuleList' && Array.isArray(raw))) {
      return this.object(kind, raw, path, owner, field.infix);
    }
    return this.fault(path, this.expectation(field), raw);
  }

  private map(field: FieldSchema, raw: unknown, path: string): Plain | undefined {
    if (!isPlain(raw)) return this.fault(path, 'an object of names and values', raw);
    const value: Plain = {};
    for (const [key, item] of Object.entries(raw)) {
      const { value: read, expected } = readScalar(field, item);
      if (expected === undefined) value[key] = read;
      else this.fault(join(path, key), expected, item);
    }
    return value;
  }

  private expectation(field: FieldSchema): string {
    const { reference, message } = field;
    if (reference !== undefined) {
      const list = reference === 'RuleList' ? ', or a list of rules' : '';
      return `the name of ${article(reference)}, or ${article(reference)} itself${list}`;
    }
    if (field.repeated) return 'a list with something in it';
    if (message !== undefined) {
      if (this.messageOf(message).variants) return 'an object with a protocol, or an address in one line';
      return field.shorthand === undefined ? 'an object' : `an object, or a string (its ${field.shorthand})`;
    }
    return readScalar(field, undefined).expected ?? field.type;
  }
}

/** Stands for a value whose fault has been told. */
const WRONG = Symbol('wrong');

/** The specs that a protocol may be in, and who has them. */
const OTHER_ROLES = [
  ['ListenerSpec', 'listeners'],
  ['ClusterSpec', 'clusters'],
] as const;

const EXPANSIONS: Readonly<Record<string, (raw: unknown) => unknown>> = {
  Endpoint: expandEndpoint,
  EndpointSpec: expandEndpointSpec,
};

function findVariant(variants: Variants, wanted: unknown) {
  if (typeof wanted !== 'string') return undefined;
  const same = (name: string): boolean => name.toLowerCase() === wanted.toLowerCase();
  return Object.entries(variants).find(([name, { aliases }]) => same(name) || aliases?.some(same));
}

/** One item may stand for a list of one where nothing else looks like it. */
function mayStandAlone({ shorthand, reference, type }: FieldSchema, raw: unknown): boolean {
  if (typeof raw === 'string') return shorthand !== undefined || type !== 'message';
  return typeof raw === 'number' && reference === undefined && (type === 'integer' || type === 'number');
}

function knownField(key: string, fields: Readonly<Record<string, FieldSchema>>): string {
  const names = Object.keys(fields);
  if (names.length === 0) return 'no fields here';
  const near = nearest(key, [...names, ...Object.values(fields).flatMap(({ aliases = [] }) => aliases)]);
  return near === undefined ? `a known field (${names.join(', ')})` : `a known field (perhaps ${near})`;
}

function article(kind: string): string {
  return kind === 'RuleList' ? 'a rule list' : `a ${kind.toLowerCase()}`;
}
