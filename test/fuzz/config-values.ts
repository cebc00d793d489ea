/** Configurations made from the schema: right ones, and those with wrong values here and there. */
import fc from 'fast-check';
import { schema } from '../../gen/l7mp/config/v1/schema.ts';
import type { FieldSchema } from '../../gen/schema-types.ts';

/**
 * How values are chosen. `wild`: some are wrong, and names are few, so that references meet what they name and definitions
 * meet each other. `right`: all fit the schema and, nearly always, each other.
 */
export type Manner = 'wild' | 'right';

const NAMES: Readonly<Record<Manner, fc.Arbitrary<string>>> = {
  wild: fc.constantFrom('a', 'b', 'c'),
  right: fc.oneof(
    fc.nat(100_000).map((number) => `n${number}`),
    fc.string({ minLength: 3, maxLength: 12 }).filter((text) => !text.includes('://')),
  ),
};

const WRONG = fc.constantFrom<unknown>(null, -1, 1.5, 1e300, '', 'x', '08', 'true', true, [], ['x'], {}, { x: 1 });

const SPECS: Readonly<Record<Manner, fc.Arbitrary<string>>> = {
  wild: fc.constantFrom('udp://127.0.0.1:5000', 'tcp://[::1]:80', 'echo', 'unix:/tmp/x', 'ws://a/b', 'stdio', '?'),
  right: fc.constantFrom('stdio', 'Stdio'),
};

/** By format: the first is right, others may be wrong. */
const FORMATS: Readonly<Record<NonNullable<FieldSchema['format']>, readonly string[]>> = {
  'json-pointer': ['/a', '/IP/src_addr', 'a', '', '/~1', '/~'],
  regex: ['^a+$', '('],
  address: ['127.0.0.1', '::1', 'host'],
  host: ['127.0.0.1', 'example.com', '-'],
  'file-mode': ['0660', '999'],
  'address-port': ['10.0.0.1:80', '[fd00::1]:53', '10.0.0.1', 'fd00::1:80', '[::1]:0'],
  'port-range': ['80', '8000-8999/udp', '*/tcp', '90-80', '70000'],
  cidr: ['10.0.0.0/8', 'fd00::/8', '127.0.0.1', '10.0.0.0/33', 'x/8'],
};

/** What no schema says: which fields stand together, and which don't. */
const MEANINGS: Readonly<Record<string, readonly (readonly [required: string[], others: string[]])[]>> = {
  Action: [
    [['route'], ['rewrite']],
    [['apply'], ['rewrite', 'route']],
  ],
  Route: [
    [['destination'], ['name', 'ingress', 'egress', 'retry', 'timeouts', 'mirrors']],
    [['destinations'], ['name', 'ingress', 'egress', 'retry', 'timeouts', 'mirrors']],
  ],
  RuleList: [[['name', 'rules'], []]],
  JsonSocketHeader: [
    [['path'], ['set']],
    [['set'], []],
  ],
};

const made = new Map<string, fc.Arbitrary<unknown>>();

/** Values of a message of the schema; `depth` bounds what may stand in each other. */
export function messages(name: string, depth: number, manner: Manner = 'wild'): fc.Arbitrary<unknown> {
  const key = `${name} ${depth} ${manner}`;
  const values = made.get(key) ?? make(name, depth, manner);
  made.set(key, values);
  return values;
}

/** A whole configuration. */
export function configs(manner: Manner): fc.Arbitrary<unknown> {
  const list = (kind: string): fc.Arbitrary<unknown[]> => fc.array(messages(kind, 3, manner), { maxLength: 2 });
  const model: Record<string, fc.Arbitrary<unknown>> = {
    admin: messages('Admin', 2, manner),
    listeners: list('Listener'),
    clusters: list('Cluster'),
    rulelists: list('RuleList'),
    rules: list('Rule'),
    routes: list('Route'),
  };
  return fc.record(manner === 'right' ? model : { ...model, unknown: WRONG }, { requiredKeys: [] });
}

function make(name: string, depth: number, manner: Manner): fc.Arbitrary<unknown> {
  const { fields = {}, variants } = schema[name] ?? {};
  if (variants) {
    if (depth <= 0) return SPECS[manner]; // a spec may hold another, and so on
    const each = Object.entries(variants).map(([protocol, { message, aliases = [] }]) =>
      fc
        .tuple(fc.constantFrom(protocol, protocol.toLowerCase(), ...aliases), messages(message, depth, manner))
        .map(([word, spec]) => ({ protocol: word, ...(spec as object) })),
    );
    return fc.oneof({ weight: 20, arbitrary: fc.oneof(...each) }, { weight: 3, arbitrary: SPECS[manner] });
  }
  if (name === 'Match' && manner === 'right') return matches(depth);
  const required = Object.keys(fields).filter((key) => fields[key]?.required);
  const free: readonly [string[], string[]] = [required, depth > 0 ? Object.keys(fields) : []];
  const shapes = MEANINGS[name] ?? [free];
  return fc.oneof(
    ...(manner === 'right' ? shapes : [free, ...shapes]).map(([wanted, others]) => {
      const keys = [...new Set([...wanted, ...(depth > 0 ? others : [])])];
      const model = Object.fromEntries(keys.map((key) => [key, valuesOf(fields[key], key, depth, manner)]));
      return fc
        .tuple(fc.record(model, { requiredKeys: wanted }), fc.constantFrom(...aliasesOf(fields)))
        .map(([value, [key, alias]]) => (key in value ? rename(value, key, alias) : value));
    }),
  );
}

function valuesOf(field: FieldSchema | undefined, key: string, depth: number, manner: Manner): fc.Arbitrary<unknown> {
  if (field === undefined) return WRONG;
  const one = item(field, key, depth, manner);
  const many = field.repeated ? fc.array(one, { minLength: field.required ? 1 : 0, maxLength: 3 }) : one;
  const values = field.map ? fc.dictionary(fc.stringMatching(/^\w*$/u), one, { maxKeys: 3 }) : many;
  return manner === 'right' ? values : fc.oneof({ weight: 80, arbitrary: values }, WRONG);
}

function item(field: FieldSchema, key: string, depth: number, manner: Manner): fc.Arbitrary<unknown> {
  if (key === 'name') return NAMES[manner];
  if (field.reference !== undefined) {
    return depth > 0 ? fc.oneof(NAMES[manner], messages(field.reference, depth - 1, manner)) : NAMES[manner];
  }
  if (field.values) return fc.constantFrom(...field.values);
  switch (field.type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.integer({ min: field.min ?? 0, max: Math.min(field.max ?? 70_000, 70_000) });
    case 'json':
      return fc.oneof(fc.constantFrom(0, false, '', null), fc.jsonValue({ maxDepth: 2 }));
    case 'message':
      return messages(field.message ?? '', depth - 1, manner);
    case 'string': {
      const text = field.format ? FORMATS[field.format] : ['127.0.0.1', '', '/a', '0x00'];
      return manner === 'right' ? fc.constant(text[0]) : fc.constantFrom(...text);
    }
  }
}

/** Predicates that say something. */
function matches(depth: number): fc.Arbitrary<unknown> {
  const path = fc.constantFrom('/a', 'a', '/IP/src_addr', '');
  const ignore_case = fc.boolean();
  const test = (op: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.record({ op: fc.constant(op), path, value, ignore_case }, { requiredKeys: ['op', 'path', 'value'] });
  const text = fc.oneof(fc.constantFrom('a', 'A', '127'), fc.string());
  const leaves = [
    fc.constantFrom('*', { match: '*' }),
    test('test', fc.jsonValue({ maxDepth: 2 })),
    test('in', fc.array(fc.jsonValue({ maxDepth: 1 }))),
    test('type', fc.constantFrom('number', 'string', 'date-time', 'iri')),
    test('matches', fc.constantFrom('^a+$', 'A', '')),
    ...['contains', 'starts', 'ends'].map((op) => test(op, text)),
    ...['less', 'more'].map((op) => test(op, fc.integer())),
    fc.record({ op: fc.constantFrom('defined', 'undefined'), path }),
  ];
  if (depth <= 0) return fc.oneof(...leaves);
  // A word stands for a predicate only where no list is: `apply` wants objects.
  const apply = fc.array(
    matches(depth - 1).filter((part) => typeof part === 'object'),
    { minLength: 1, maxLength: 3 },
  );
  return fc.oneof(
    ...leaves,
    fc.record({ op: fc.constantFrom('and', 'or', 'not'), apply, path }, { requiredKeys: ['op', 'apply'] }),
  );
}

/** The aliases of a message's fields; a pair that renames nothing where there are none. */
function aliasesOf(fields: Readonly<Record<string, FieldSchema>>): (readonly [key: string, alias: string])[] {
  const pairs = Object.entries(fields).flatMap(([key, { aliases = [] }]) =>
    aliases.map((alias) => [key, alias] as const),
  );
  return [['', ''], ...pairs];
}

function rename(value: Record<string, unknown>, key: string, alias: string): Record<string, unknown> {
  const { [key]: moved, ...rest } = value;
  return { ...rest, [alias]: moved };
}
