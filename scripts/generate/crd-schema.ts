/** Messages as structural schemas of the API server: types, defaults, limits, descriptions, and rules in CEL. */
import type { FieldSchema } from '../../gen/schema-types.ts';
import type { Check, Field, Kinds, Message } from './kinds.ts';

export type CrdSchema = Readonly<Record<string, unknown>>;

/** What lists and maps hold at most where nothing else is said: rules in CEL are weighed by it. */
const MAX_ITEMS = 256;
/** The longest text in the API server's eyes where nothing else is said: certificates are written in place. */
const MAX_LENGTH = 65_536;

/** Any value: what is in it is checked by the control plane. */
const OPAQUE: CrdSchema = { 'x-kubernetes-preserve-unknown-fields': true };

const FORMATS: Partial<Record<NonNullable<FieldSchema['format']>, CrdSchema>> = {
  address: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }], maxLength: 45 },
  host: { maxLength: 253 },
  'file-mode': { pattern: '^[0-7]{3,4}$' },
};

/** What the configuration's comments don't know of. Clusters in place are opaque: each has all protocols. */
const CLUSTER_NAMES =
  ' A name is that of a Target, of a VirtualService, or of a Service (`name` or `name:port`), with `namespace/` before it where that is another one. In place, it is what a Target has as `cluster`.';

/** The schemas of a kind's `spec` and `status`. */
export function schemasOf(kinds: Kinds, kind: Message): Readonly<Record<string, CrdSchema>> {
  const maker = new SchemaMaker(kinds);
  return Object.fromEntries(kind.fields.map((field) => [field.name, maker.field(field, [])]));
}

/** Where in the tree: a message that holds itself is opaque the second time. */
type Above = readonly string[];

class SchemaMaker {
  private readonly kinds: Kinds;

  constructor(kinds: Kinds) {
    this.kinds = kinds;
  }

  private message(name: string, above: Above): CrdSchema {
    const variants = this.kinds.configuration.schema[name]?.variants;
    if (variants) return this.spec(name, Object.entries(variants), above);
    const message = this.kinds.messages.get(name);
    if (message === undefined) throw new Error(`there is no message ${name}`);
    return { ...describe(message.comment), ...this.object(message, above) };
  }

  private object({ name, fields, checks, oneOf }: Message, above: Above): CrdSchema {
    const properties: Record<string, CrdSchema> = {};
    const required: string[] = [];
    for (const field of fields) {
      const { aliases = [], required: isRequired, default: standard } = field.schema;
      const schema = this.field(field, [...above, name]);
      // With another name, the value may stand there: neither is wanted, and a default would be a second one.
      if (isRequired && aliases.length === 0) required.push(field.name);
      const withDefault = standard !== undefined && aliases.length === 0 && field.schema.type !== 'message';
      properties[field.name] = withDefault ? { ...schema, default: standard } : schema;
      for (const alias of aliases) {
        properties[alias] = { ...schema, description: `The same as \`${field.name}\`.` };
      }
    }
    const rules = [...checks, ...fields.flatMap(aliasChecks)];
    return {
      type: 'object',
      ...(Object.keys(properties).length > 0 && { properties }),
      ...(required.length > 0 && { required }),
      ...(oneOf.length > 0 && { oneOf: oneOf.map((field) => ({ required: [field] })) }),
      ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
    };
  }

  /**
   * A spec has its protocol as the one key, with the settings below it, or as the value of `protocol`, with the settings beside it.
   * Of these, the ones are typed that mean the same in all protocols.
   */
  private spec(
    name: string,
    variants: readonly (readonly [string, { readonly message: string; readonly aliases?: readonly string[] }])[],
    above: Above,
  ): CrdSchema {
    const keyed: Record<string, CrdSchema> = {};
    const beside = new Map<string, CrdSchema | undefined>();
    for (const [protocol, { message, aliases = [] }] of variants) {
      const schema = this.message(message, [...above, name]);
      for (const each of [protocol, ...aliases]) keyed[each] = schema;
      for (const [field, value] of Object.entries((schema['properties'] ?? {}) as Record<string, CrdSchema>)) {
        const plain = withoutFacts(value);
        const same = !beside.has(field) || JSON.stringify(beside.get(field)) === JSON.stringify(plain);
        beside.set(field, same && isScalar(plain) ? plain : undefined);
      }
    }
    const names = Object.keys(keyed);
    const flat: Record<string, CrdSchema> = {};
    for (const [field, schema] of beside) {
      if (schema !== undefined)
        flat[field] = { ...schema, description: 'Beside `protocol`: as in the protocol itself.' };
    }
    const given = names.map((each) => `has(self.${each})`).join(', ');
    return {
      ...describe(
        `${this.commentOf(name)} Either the protocol's name with its settings below it, as in \`UDP: {port: 5000}\`, or \`protocol\` with the settings beside it.`,
      ),
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: {
        protocol: {
          type: 'string',
          maxLength: 63,
          description: `The protocol: one of ${variants.map(([each]) => each).join(', ')}.`,
        },
        ...flat,
        ...keyed,
      },
      'x-kubernetes-validations': [
        {
          rule: `[has(self.protocol), ${given}].filter(x, x).size() == 1`,
          message: `expected one protocol, as in {UDP: {port: 5000}} or {protocol: UDP, port: 5000}: one of ${variants.map(([each]) => each).join(', ')}`,
        },
      ],
    };
  }

  field({ comment, schema, rules }: Field, above: Above): CrdSchema {
    const unit = schema.unit === undefined || comment.includes(schema.unit) ? '' : ` In ${schema.unit}.`;
    const { reference, repeated, map } = schema;
    const form = reference === 'Cluster' ? CLUSTER_NAMES : '';
    // Short forms in a string are for files: a schema has one type.
    const text = schema.type === 'message' ? comment.replace(/; a string is [^]*?\.(?=\s|$)/u, '.') : comment;
    const described = describe(`${text}${unit}${form}`);
    const item = this.item(schema, rules, above);
    const { max_items: most = MAX_ITEMS, min_items: least, list_keys: keys } = rules;
    if (map) return { ...described, type: 'object', additionalProperties: item, maxProperties: most };
    if (!repeated) return { ...item, ...described };
    const minItems = least ?? (schema.required ? 1 : undefined);
    return {
      ...described,
      type: 'array',
      items: item,
      maxItems: most,
      ...(minItems !== undefined && { minItems }),
      ...(keys !== undefined && { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }),
    };
  }

  private item(schema: FieldSchema, rules: SchemaRulesOf, above: Above): CrdSchema {
    const { type, message = '', reference, values, format, min, max, map } = schema;
    if (reference !== undefined) return this.reference(reference, above);
    switch (type) {
      case 'json':
        return OPAQUE;
      case 'message':
        if (above.includes(message)) return message === 'Match' ? OPAQUE : { type: 'object', ...OPAQUE };
        return message === 'Match' ? this.match(above) : this.message(message, above);
      case 'boolean':
        return { type };
      case 'string': {
        const longest = rules.max_length ?? (values || rules.format ? undefined : map ? 4096 : MAX_LENGTH);
        return {
          type,
          ...(values && { enum: values }),
          ...(longest !== undefined && { maxLength: longest }),
          ...(format !== undefined && FORMATS[format]),
          ...(rules.min_length !== undefined && { minLength: rules.min_length }),
          ...(rules.pattern !== undefined && { pattern: rules.pattern }),
          ...(rules.format !== undefined && { format: rules.format }),
        };
      }
      default: {
        const facts = type === 'integer' ? { format: 'int64' } : {};
        return { type, ...facts, minimum: min ?? 0, ...(max !== undefined && { maximum: max }) };
      }
    }
  }

  /** A name, or an object in place: of any type, with the fields that it has as an object. */
  private reference(kind: string, above: Above): CrdSchema {
    if (kind === 'Cluster' || above.includes(kind)) return OPAQUE;
    if (kind === 'Rule') return withoutChecks(this.message(kind, above));
    const { properties } = withoutChecks(this.message(kind, above));
    if (kind !== 'RuleList') return { ...OPAQUE, properties };
    const { rules } = properties as { readonly rules: CrdSchema };
    return { ...OPAQUE, items: rules['items'] };
  }

  /** `*`, or a predicate; those within it are not spelt out. */
  private match(above: Above): CrdSchema {
    const { description, properties } = this.message('Match', above);
    return { description, ...OPAQUE, properties };
  }

  private commentOf(name: string): string {
    return this.kinds.configuration.messages.find((message) => message.name === name)?.comment ?? '';
  }
}

type SchemaRulesOf = Field['rules'];

/** Of a field's names, one may stand; of one that is wanted, one must. */
function aliasChecks({ name, schema: { aliases = [], required, reference, type } }: Field): Check[] {
  // Rules see no value of any type.
  if (aliases.length === 0 || reference !== undefined || type === 'json') return [];
  const names = [name, ...aliases];
  const given = `[${names.map((each) => `has(self.${each})`).join(', ')}].filter(x, x).size()`;
  return required
    ? [{ rule: `${given} == 1`, message: `expected ${name}` }]
    : [{ rule: `${given} <= 1`, message: `expected only one of ${names.join(' and ')}` }];
}

/** Below a value of any type the API server has no rules in CEL. */
function withoutChecks(schema: CrdSchema): CrdSchema {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => (key === 'x-kubernetes-validations' ? undefined : value)),
  ) as CrdSchema;
}

function withoutFacts({ default: _default, description: _description, ...schema }: CrdSchema): CrdSchema {
  return schema;
}

function isScalar({ type }: CrdSchema): boolean {
  return typeof type === 'string' && type !== 'object' && type !== 'array';
}

function describe(comment: string): CrdSchema {
  const text = comment.replaceAll(/\s+/gu, ' ').trim();
  return text === '' ? {} : { description: text };
}
