/** Walks plain JSON by the generated schema: fills defaults, takes inline objects out, and collects every fault. */
import { isDeepStrictEqual } from 'node:util';
import type { FieldSchema, MessageSchema, Schema } from '../../gen/schema-types.ts';
import { parseAddress, type Plain } from '../core/address.ts';
import type { Kind, Owner } from '../core/config.ts';
import type { Fault } from '../core/errors.ts';
import { ProxyError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { describe, isPlain, readScalar } from './scalars.ts';

/** An object that was decoded, and where it stood. */
export interface DecodedObject {
  readonly value: Plain;
  readonly owner: Owner | undefined;
  readonly path: string;
  /** What it was decoded from: the same definition may stand twice. */
  readonly raw: unknown;
}

export interface DecoderOptions {
  readonly schema: Schema;
  /** Whether an object of this name is there already, beside what is decoded: names that are taken. */
  readonly exists: (kind: Kind, name: string) => boolean;
  /** Fields that the schema doesn't have are passed over, instead of being faults. */
  readonly lenient: boolean;
}

/** Deeper than any configuration is; hostile input ends here. */
const MAX_DEPTH = 64;

const KINDS: Readonly<Record<Kind, true>> = { Listener: true, Cluster: true, RuleList: true, Rule: true, Route: true };

export class Decoder {
  readonly faults: Fault[] = [];
  readonly objects: Readonly<Record<Kind, Map<string, DecodedObject>>> = {
    Listener: new Map(),
    Cluster: new Map(),
    RuleList: new Map(),
    Rule: new Map(),
    Route: new Map(),
  };
  private readonly options: DecoderOptions;
  private depth = 0;

  constructor(options: DecoderOptions) {
    this.options = options;
  }

  fault(path: string, expected: string, found: unknown): undefined {
    this.faults.push({ path, expected, found: typeof found === 'string' ? found : describe(found) });
    return undefined;
  }

  /** Decodes an object of a kind and keeps it under its name, which is given back. */
  object(kind: Kind, raw: unknown, path: string, owner: Owner | undefined, infix = ''): string | undefined {
    const plain = kind === 'RuleList' && Array.isArray(raw) ? { rules: raw } : raw;
    if (!isPlain(plain)) return this.fault(path, `${article(kind)} (an object)`, raw);
    const given = plain['name'];
    if (given !== undefined && (typeof given !== 'string' || given === '')) {
      return this.fault(`${path}.name`, 'a name', given);
    }
    const name = given ?? this.freeName(kind, owner, infix, plain);
    const earlier = this.objects[kind].get(name);
    if (earlier) {
      if (isDeepStrictEqual(earlier.raw, plain)) return name;
      return this.fault(path, `a name that is not taken, or the very object of ${earlier.path}`, `"${name}" again`);
    }
    if (owner && given !== undefined && this.options.exists(kind, name)) {
      return this.fault(path, `a name that is not taken`, `"${name}", already defined`);
    }
    const place: DecodedObject = { value: { name }, owner, path, raw: plain };
    this.objects[kind].set(name, place); // before what it holds, so that its own name is taken
    const value = this.message(kind, this.expand(kind, plain, path), path, { kind, name });
    Object.assign(place.value, value, { name });
    return name;
  }

  /** `L-RuleList-1`, `R-ingress-Cluster-1`; without an owner `Cluster-1`, and a listener after what it listens on. */
  private freeName(kind: Kind, owner: Owner | undefined, infix: string, raw: Plain): string {
    const taken = (name: string): boolean => this.objects[kind].has(name) || this.options.exists(kind, name);
    if (kind === 'Listener') {
      const spec = isPlain(raw['spec']) ? raw['spec'] : {};
      const base =
        [spec['protocol'], spec['port']]
          .filter((part) => part !== undefined)
          .map(String)
          .join('-') || kind;
      if (!taken(base)) return base;
      for (let number = 2; ; number++) if (!taken(`${base}-${number}`)) return `${base}-${number}`;
    }
    const prefix = [owner?.name, infix || undefined, kind].filter((part) => part !== undefined).join('-');
    for (let number = 1; ; number++) if (!taken(`${prefix}-${number}`)) return `${prefix}-${number}`;
  }

  /** A spec in one line, as in `udp://127.0.0.1:5000`, as the object that it stands for. */
  private expand(kind: Kind, raw: Plain, path: string): Plain {
    const { spec } = raw;
    if (typeof spec !== 'string' || (kind !== 'Listener' && kind !== 'Cluster')) return raw;
    try {
      const address = parseAddress(spec);
      return kind === 'Listener'
        ? { ...raw, spec: address.toListener() }
        : { ...address.toCluster(), ...raw, spec: address.toCluster()['spec'] };
    } catch (error) {
      this.fault(`${path}.spec`, 'a spec or an address in one line', ProxyError.from(error).message);
      return { ...raw, spec: undefined };
    }
  }

  /** Decodes a message. Fields that are wrong are left out. */
  message(name: string, raw: unknown, path: string, owner: Owner | undefined): Plain {
    const schema = this.options.schema[name];
    if (schema === undefined) throw new ProxyError('INTERNAL', `the schema has no message ${name}`);
    if (!isPlain(raw)) {
      this.fault(path, 'an object', raw);
      return {};
    }
    if (++this.depth > MAX_DEPTH) {
      this.fault(path, `at most ${MAX_DEPTH} levels`, 'more');
      this.depth--;
      return {};
    }
    const value = schema.variants
      ? this.variant(schema, raw, path, owner)
      : this.fields(schema.fields, raw, path, owner);
    this.depth--;
    return value;
  }

  private variant(
    schema: MessageSchema & { variants: object },
    raw: Plain,
    path: string,
    owner: Owner | undefined,
  ): Plain {
    const { protocol: wanted, ...rest } = raw;
    const known = Object.keys(schema.variants);
    if (typeof wanted !== 'string') {
      this.fault(`${path}.protocol`, `one of ${known.join(', ')}`, wanted);
      return {};
    }
    const same = (name: string): boolean => name.toLowerCase() === wanted.toLowerCase();
    const found = Object.entries(schema.variants).find(([name, { aliases }]) => same(name) || aliases?.some(same));
    if (found === undefined) {
      this.fault(`${path}.protocol`, suggestion(wanted, known), `"${wanted}"`);
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
      const decoded = this.field(field, raw[key], join(path, key), owner);
      if (decoded !== undefined) value[name] = decoded;
    }
    for (const key of Object.keys(raw)) {
      if (known.has(key) || this.options.lenient) continue;
      this.fault(join(path, key), suggestion(key, Object.keys(fields), 'no such field'), raw[key]);
    }
    return value;
  }

  private field(field: FieldSchema, raw: unknown, path: string, owner: Owner | undefined): unknown {
    if (raw === undefined || raw === null) {
      if (field.required) return this.fault(path, expectation(field), 'nothing');
      return this.absent(field, path, owner);
    }
    if (field.map) return this.map(field, raw, path);
    if (field.repeated) {
      if (field.values === undefined && !Array.isArray(raw) && !isList(field, raw)) {
        return this.fault(path, 'a list', raw);
      }
      const items = Array.isArray(raw) ? (raw as unknown[]) : [raw];
      const decoded = items.map((item, index) => this.item(field, item, `${path}[${index}]`, owner));
      if (field.message === 'Endpoint' && owner) nameEndpoints(decoded, owner.name, (at) => this.duplicate(path, at));
      if (field.required && decoded.length === 0) return this.fault(path, expectation(field), 'an empty list');
      return decoded.filter((item) => item !== undefined);
    }
    return this.item(field, raw, path, owner);
  }

  private duplicate(path: string, index: number): void {
    this.fault(`${path}[${index}].name`, 'a name that no other endpoint has', 'one that is taken');
  }

  private absent(field: FieldSchema, path: string, owner: Owner | undefined): unknown {
    if (field.repeated) return [];
    if (field.map) return {};
    if (field.default !== undefined) {
      return field.type === 'message' ? this.message(field.message ?? '', field.default, path, owner) : field.default;
    }
    if (field.optional || field.assigned) return undefined;
    if (field.type === 'boolean') return false;
    return field.type === 'integer' || field.type === 'number' ? 0 : undefined;
  }

  private item(field: FieldSchema, raw: unknown, path: string, owner: Owner | undefined): unknown {
    if (field.reference !== undefined) return this.reference(field.reference as Kind, field, raw, path, owner);
    if (field.type === 'json') return raw;
    if (field.type === 'message') {
      const plain = field.shorthand !== undefined && typeof raw === 'string' ? { [field.shorthand]: raw } : raw;
      const message = field.message ?? '';
      return this.message(message, message === 'Endpoint' ? endpoint(plain) : plain, path, owner);
    }
    const { value, expected } = readScalar(field, raw);
    return expected === undefined ? value : this.fault(path, expected, raw);
  }

  private reference(
    kind: Kind,
    field: FieldSchema,
    raw: unknown,
    path: string,
    owner: Owner | undefined,
  ): string | undefined {
    if (typeof raw === 'string' && raw !== '') {
      // A cluster may stand as an address in one line; a name has no colon in front of slashes or a port.
      if (kind === 'Cluster' && /^[a-z0-9+-]+:\/\//iu.test(raw))
        return this.object(kind, { spec: raw }, path, owner, field.infix);
      return raw;
    }
    if (isPlain(raw) || (kind === 'RuleList' && Array.isArray(raw))) {
      return this.object(kind, raw, path, owner, field.infix);
    }
    return this.fault(path, `the name of ${article(kind)}, or ${article(kind)} itself`, raw);
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
}

/** The kinds by their message's name. */
export function isKind(name: string): name is Kind {
  return Object.hasOwn(KINDS, name);
}

/** A single item may stand where a list of what can be shorthand is wanted. */
function isList(field: FieldSchema, raw: unknown): boolean {
  return (
    (field.shorthand !== undefined || field.reference !== undefined || field.type === 'string') &&
    typeof raw === 'string'
  );
}

/** `10.0.0.1:5000`, `[::1]:5000`: an endpoint in one line. */
function endpoint(raw: unknown): unknown {
  if (!isPlain(raw)) return raw;
  const { address, ...rest } = raw;
  if (typeof address !== 'string') return raw;
  const match = /^(?:\[([^\]]+)\]|([^:/@][^:/]*)):(\d+)$/u.exec(address);
  const spec = match
    ? { address: match[1] ?? match[2], port: Number(match[3]) }
    : { address: address.replace(/^\[(.*)\]$/u, '$1') };
  return { ...rest, spec };
}

function nameEndpoints(endpoints: unknown[], cluster: string, onDuplicate: (index: number) => void): void {
  const taken = new Set<unknown>();
  endpoints.forEach((each, index) => {
    const name = isPlain(each) ? each['name'] : undefined;
    if (name === undefined) return;
    if (taken.has(name)) onDuplicate(index);
    taken.add(name);
  });
  let number = 1;
  for (const each of endpoints) {
    if (!isPlain(each) || each['name'] !== undefined) continue;
    while (taken.has(`${cluster}-EndPoint-${number}`)) number++;
    each['name'] = `${cluster}-EndPoint-${number++}`;
  }
}

function expectation(field: FieldSchema): string {
  if (field.reference !== undefined)
    return `the name of ${article(field.reference)}, or ${article(field.reference)} itself`;
  if (field.repeated) return 'a list with something in it';
  if (field.message !== undefined) return 'an object';
  return readScalar(field, undefined).expected ?? field.type;
}

function suggestion(word: string, known: readonly string[], otherwise = 'one that is known'): string {
  const near = nearest(word, known);
  return near === undefined ? `${otherwise}; there are ${known.join(', ') || 'none'}` : `"${near}"`;
}

function join(path: string, key: string): string {
  const step = /^[\w-]+$/u.test(key) ? key : JSON.stringify(key);
  return path === '' ? step : `${path}.${step}`;
}

function article(kind: string): string {
  const name = kind === 'RuleList' ? 'rule list' : kind.toLowerCase();
  return /^[aeiou]/u.test(name) ? `an ${name}` : `a ${name}`;
}
