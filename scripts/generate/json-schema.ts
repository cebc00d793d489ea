/** Makes the JSON schema of the configuration file, with which editors complete and check it. */
import type { FieldSchema, MessageSchema } from '../../gen/schema-types.ts';
import type { DocumentedMessage, Source } from './schema.ts';

type JsonSchema = Record<string, unknown>;

/** The lists of the file, and what they hold. */
const LISTS = {
  listeners: 'Listener',
  clusters: 'Cluster',
  rulelists: 'RuleList',
  rules: 'Rule',
  routes: 'Route',
} as const;

export function makeJsonSchema({ schema, messages }: Source): JsonSchema {
  const documented = new Map(messages.map((message) => [message.name, message]));
  const lists = Object.entries(LISTS).map(([name, kind]) => [name, { type: 'array', items: kindOf(kind) }] as const);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The configuration of l7mp',
    type: 'object',
    properties: { admin: ref('Admin'), ...Object.fromEntries(lists) },
    additionalProperties: false,
    $defs: Object.fromEntries(
      Object.entries(schema).map(([name, message]) => [name, define(name, message, documented, schema)]),
    ),
  };
}

function define(
  name: string,
  message: MessageSchema,
  documented: ReadonlyMap<string, DocumentedMessage>,
  all: Source['schema'],
): JsonSchema {
  const description = documented.get(name)?.comment;
  if (message.variants) {
    const variants = Object.entries(message.variants).map(([protocol, { message: spec, aliases = [] }]) => {
      const fields = all[spec]?.fields ?? {};
      const properties = propertiesOf(fields, documented.get(spec));
      return objectOf({ protocol: { enum: [protocol, ...aliases] }, ...properties }, ['protocol', ...required(fields)]);
    });
    // A name, or an address in one line.
    return { description, anyOf: [{ type: 'string', minLength: 1 }, ...variants] };
  }
  return { description, ...objectOf(propertiesOf(message.fields, documented.get(name)), required(message.fields)) };
}

function propertiesOf(
  fields: Readonly<Record<string, FieldSchema>>,
  documented: DocumentedMessage | undefined,
): Record<string, JsonSchema> {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = valueOf(field);
    const description = documented?.fields[name];
    const facts = {
      ...(description && { description }),
      ...(field.default !== undefined && { default: field.default }),
    };
    for (const each of [name, ...(field.aliases ?? [])]) properties[each] = { ...value, ...facts };
  }
  return properties;
}

/** Fields with an alias may stand under either name. */
function required(fields: Readonly<Record<string, FieldSchema>>): string[] {
  return Object.entries(fields)
    .filter(([, field]) => field.required && !field.aliases)
    .map(([name]) => name);
}

function objectOf(properties: Record<string, JsonSchema>, names: readonly string[]): JsonSchema {
  return { type: 'object', properties, ...(names.length > 0 && { required: names }), additionalProperties: false };
}

function valueOf(field: FieldSchema): JsonSchema {
  const single = field.reference === undefined ? scalarOf(field) : kindOf(field.reference, field.reference);
  if (field.map) return { type: 'object', additionalProperties: single };
  return field.repeated ? { type: 'array', items: single } : single;
}

function scalarOf(field: FieldSchema): JsonSchema {
  const bounds = {
    ...(field.min !== undefined && { minimum: field.min }),
    ...(field.max !== undefined && { maximum: field.max }),
  };
  switch (field.type) {
    case 'message':
      return field.shorthand === undefined
        ? ref(field.message ?? '')
        : { anyOf: [{ type: 'string' }, ref(field.message ?? '')] };
    case 'string':
      return field.values ? { enum: field.values } : { type: ['string', 'number'] };
    case 'integer':
    case 'number':
      return { type: field.type, ...bounds };
    case 'boolean':
      return { type: 'boolean' };
    case 'json':
      return {};
  }
}

/** An object in place, or the name of one; a rule list may be just the rules. */
function kindOf(kind: string, reference?: string): JsonSchema {
  const forms: JsonSchema[] = [ref(kind)];
  if (reference !== undefined) forms.push({ type: 'string', minLength: 1 });
  if (kind === 'RuleList') forms.push({ type: 'array', items: kindOf('Rule', 'Rule') });
  return forms.length === 1 ? ref(kind) : { anyOf: forms };
}

function ref(name: string): JsonSchema {
  return { $ref: `#/$defs/${name}` };
}
