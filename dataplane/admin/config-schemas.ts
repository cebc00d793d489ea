/** The configuration's messages as JSON schemas (draft 2020-12). */
import type { FieldSchema, MessageSchema, Schema } from '../../gen/schema-types.ts';

type Json = Readonly<Record<string, unknown>>;

const reference = (name: string): Json => ({ $ref: `#/components/schemas/config.${name}` });

/** By name, as in `config.Listener`. What a message refers to is in there, too. */
export function configSchemas(schema: Schema): Record<string, Json> {
  return Object.fromEntries(Object.entries(schema).map(([name, message]) => [`config.${name}`, messageOf(message)]));
}

function messageOf({ fields, variants }: MessageSchema): Json {
  if (variants === undefined) return objectOf(fields);
  return {
    type: 'object',
    required: ['protocol'],
    oneOf: Object.entries(variants).map(([protocol, { message, aliases = [] }]) => ({
      ...reference(message),
      properties: { protocol: { enum: [protocol, ...aliases] } },
      required: ['protocol'],
    })),
  };
}

function objectOf(fields: Readonly<Record<string, FieldSchema>>): Json {
  const entries = Object.entries(fields);
  // An alias may stand for a required field, so required fields that have one aren't required by this schema.
  const required = entries.filter(([, { required: wanted, aliases }]) => wanted && !aliases).map(([name]) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.flatMap(([name, field]) => [name, ...(field.aliases ?? [])].map((key) => [key, fieldOf(field)])),
    ),
    ...(required.length > 0 && { required }),
  };
}

function fieldOf(field: FieldSchema): Json {
  const item = itemOf(field);
  if (field.map) return { type: 'object', additionalProperties: item };
  if (!field.repeated) return item;
  const single = field.reference !== undefined || field.shorthand !== undefined || field.type === 'string';
  const list = { type: 'array', items: item };
  return single ? { anyOf: [list, { type: 'string' }] } : list;
}

function itemOf({
  type,
  message,
  shorthand,
  reference: kind,
  values,
  min,
  max,
  unit,
  default: fallback,
}: FieldSchema): Json {
  const described = {
    ...(unit !== undefined && { description: `In ${unit}` }),
    ...(fallback !== undefined && { default: fallback }),
  };
  if (kind !== undefined) {
    const list =
      kind === 'RuleList' ? [{ type: 'array', items: { anyOf: [{ type: 'string' }, reference('Rule')] } }] : [];
    return { anyOf: [{ type: 'string' }, reference(kind), ...list] };
  }
  switch (type) {
    case 'json':
      return {};
    case 'message': {
      const whole = reference(message ?? '');
      // A spec may be written in one line, as in udp://127.0.0.1:5000.
      const short = shorthand !== undefined || message === 'ListenerSpec' || message === 'ClusterSpec';
      return short ? { anyOf: [{ type: 'string' }, whole] } : whole;
    }
    case 'string':
      // Letter case does not count: the values are in the description, not in an enum.
      return { type: 'string', ...(values && { description: `One of ${values.join(', ')}` }), ...described };
    case 'boolean':
      return { type: 'boolean', ...described };
    default:
      return { type, minimum: min ?? 0, ...(max !== undefined && { maximum: max }), ...described };
  }
}
