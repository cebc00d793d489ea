/** Configurations made from the schema: mostly right, with a wrong value here and there. */
import fc from 'fast-check';
import { schema } from '../../gen/l7mp/config/v1/schema.ts';
import type { FieldSchema } from '../../gen/schema-types.ts';

/** Names are few, so that references meet what they name, and definitions meet each other. */
const names = fc.constantFrom('a', 'b', 'c');

const WRONG = fc.constantFrom<unknown>(null, -1, 1.5, 1e300, '', 'x', '08', 'true', true, [], ['x'], {}, { x: 1 });

const SPECS = fc.constantFrom(
  'udp://127.0.0.1:5000',
  'tcp://[::1]:80',
  'echo',
  'unix:/tmp/x',
  'ws://a/b',
  'stdio',
  '?',
);

const FORMATS: Readonly<Record<NonNullable<FieldSchema['format']>, readonly string[]>> = {
  'json-pointer': ['/a', '/IP/src_addr', 'a', '', '/~1', '/~'],
  regex: ['^a+$', '('],
  address: ['127.0.0.1', '::1', 'host'],
  host: ['127.0.0.1', 'example.com', '-'],
  duration: ['5s', '5'],
  path: ['/tmp/x', ''],
  base64: ['eA==', 'x'],
  'file-mode': ['0660', '999'],
};

/** Values of a message of the schema; `depth` bounds what may stand in each other. */
export function messages(name: string, depth: number): fc.Arbitrary<unknown> {
  const known = made.get(`${name} ${depth}`);
  if (known) return known;
  const { fields, variants } = schema[name] ?? {};
  let values: fc.Arbitrary<unknown>;
  if (variants && depth <= 0) {
    values = SPECS; // a spec may hold another, and so on
  } else if (variants) {
    const each = Object.entries(variants).map(([protocol, { message, aliases = [] }]) =>
      fc
        .tuple(fc.constantFrom(protocol, protocol.toLowerCase(), ...aliases), messages(message, depth))
        .map(([word, spec]) => ({ protocol: word, ...(spec as object) })),
    );
    values = fc.oneof({ weight: 20, arbitrary: fc.oneof(...each) }, { weight: 3, arbitrary: SPECS });
  } else {
    const entries = Object.entries(fields ?? {}).filter(([, field]) => depth > 0 || field.required);
    const model = Object.fromEntries(entries.map(([key, field]) => [key, valuesOf(field, key, depth)]));
    const required = entries.filter(([, field]) => field.required).map(([key]) => key);
    const record = fc.record(model, { requiredKeys: required });
    const renamed = fc.tuple(record, fc.constantFrom(...aliasesOf(name)));
    values = renamed.map(([value, [key, alias]]) => (key in value ? rename(value, key, alias) : value));
  }
  made.set(`${name} ${depth}`, values);
  return values;
}

const made = new Map<string, fc.Arbitrary<unknown>>();

/** A whole configuration. */
export function configs(): fc.Arbitrary<unknown> {
  const list = (kind: string): fc.Arbitrary<unknown[]> => fc.array(messages(kind, 3), { maxLength: 2 });
  return fc.record(
    {
      admin: messages('Admin', 2),
      listeners: list('Listener'),
      clusters: list('Cluster'),
      rulelists: list('RuleList'),
      rules: list('Rule'),
      routes: list('Route'),
      unknown: WRONG,
    },
    { requiredKeys: [], noNullPrototype: true },
  );
}

function valuesOf(field: FieldSchema, key: string, depth: number): fc.Arbitrary<unknown> {
  const one = item(field, key, depth);
  const many = field.repeated ? fc.array(one, { minLength: field.required ? 1 : 0, maxLength: 3 }) : one;
  const right = field.map ? fc.dictionary(fc.string({ maxLength: 5 }), one, { maxKeys: 3 }) : many;
  return fc.oneof({ weight: 80, arbitrary: right }, WRONG);
}

function item(field: FieldSchema, key: string, depth: number): fc.Arbitrary<unknown> {
  if (key === 'name') return names;
  if (field.reference !== undefined) {
    return depth > 0 ? fc.oneof(names, messages(field.reference, depth - 1)) : names;
  }
  if (field.values) return fc.constantFrom(...field.values);
  switch (field.type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.integer({ min: field.min ?? 0, max: Math.min(field.max ?? 70_000, 70_000) });
    case 'json':
      return fc.jsonValue({ maxDepth: 2 });
    case 'message':
      return messages(field.message ?? '', depth - 1);
    case 'string': {
      if (field.format === undefined)
        return fc.oneof(fc.constantFrom('127.0.0.1', '/a', '0x00'), fc.string({ maxLength: 5 }));
      const [right = '', ...others] = FORMATS[field.format];
      return fc.oneof({ weight: 10, arbitrary: fc.constant(right) }, fc.constantFrom(right, ...others));
    }
  }
}

/** The aliases of a message's fields; a pair that renames nothing where there are none. */
function aliasesOf(name: string): (readonly [key: string, alias: string])[] {
  const pairs = Object.entries(schema[name]?.fields ?? {}).flatMap(([key, { aliases = [] }]) =>
    aliases.map((alias) => [key, alias] as const),
  );
  return [['', ''], ...pairs];
}

function rename(value: Record<string, unknown>, key: string, alias: string): Record<string, unknown> {
  const { [key]: moved, ...rest } = value;
  return { ...rest, [alias]: moved };
}
