/** The configuration's messages as JSON schemas (draft 2020-12): they accept whatever the decoder does. */
import type { FieldSchema, MessageSchema, Schema, Variant } from '../gen/schema-types.ts';
import { LIST_OF } from './kinds.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface JsonSchemaOptions {
  readonly schema: Schema;
  /** Where the schema of a message is found: a `$ref`. */
  readonly refer: (message: string) => string;
  /** Unknown fields are passed over, as the decoder does where it is lenient. */
  readonly lenient?: boolean;
  /** What a message is, or one of its fields. */
  readonly comment?: (message: string, field?: string) => string | undefined;
}

/**
 * Schemas by the name of the message. What is refused by one has faults for the decoder; the decoder finds more: what an
 * address in one line says, the range of a number in quotes, names, and how objects go together.
 */
export function createJsonSchemas(options: JsonSchemaOptions): Record<string, JsonSchema> {
  const { schema } = options;
  // The fields of a protocol stand in the spec, beside `protocol`.
  const variants = new Set(Object.values(schema).flatMap((each) => Object.values(each.variants ?? {}).map(messageOf)));
  const fields = new Set(Object.values(schema).flatMap((each) => Object.values(each.fields ?? {}).map(messageOf)));
  const maker = new Maker(options);
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([name]) => !variants.has(name) || fields.has(name))
      .map(([name, message]) => [name, maker.message(name, message)]),
  );
}

const messageOf = ({ message }: { readonly message?: string }): string | undefined => message;

type Fields = Readonly<Record<string, FieldSchema>>;

const ONE_LINE: JsonSchema = { type: 'string', minLength: 1 };
/** As the decoder has it: one line of text. */
const NAME: JsonSchema = { type: 'string', pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' };
const PATTERNS: Partial<Record<NonNullable<FieldSchema['format']>, string>> = {
  'json-pointer': '^(?:[^~]|~[01])*$',
  'file-mode': '^[0-7]{3,4}$',
  'address-port': '^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[\\da-fA-F:.]+\\]):\\d{1,5}$',
  'port-range': '^(\\*|\\d{1,5}(-\\d{1,5})?)(/(tcp|udp))?$',
};

class Maker {
  private readonly options: JsonSchemaOptions;

  constructor(options: JsonSchemaOptions) {
    this.options = options;
  }

  message(name: string, { fields, variants }: MessageSchema): JsonSchema {
    const described = this.described(name);
    if (variants) {
      const forms = Object.entries(variants).map(([protocol, variant]) => this.variant(protocol, variant));
      return { ...described, anyOf: forms };
    }
    const whole = this.object(name, fields);
    if (name === 'Endpoint') return { ...described, anyOf: [whole, this.flatEndpoint(fields)] };
    return { ...described, ...whole };
  }

  private variant(protocol: string, { message, aliases = [] }: Variant): JsonSchema {
    return this.object(message, this.fieldsOf(message), { protocol: words([protocol, ...aliases]) });
  }

  /** An endpoint whose address stands beside its name. */
  private flatEndpoint({ spec: _spec, ...others }: Fields): JsonSchema {
    const { properties, ...rest } = this.object('EndpointSpec', this.fieldsOf('EndpointSpec'));
    const beside = this.properties('Endpoint', others);
    return { ...rest, properties: { ...beside, ...(properties as JsonSchema) }, required: ['address'] };
  }

  /** An object with these fields, and those that must be there before all. */
  private object(message: string, fields: Fields, before: Readonly<Record<string, JsonSchema>> = {}): JsonSchema {
    const required = Object.keys(before);
    const choices: JsonSchema[] = [];
    for (const [name, field] of Object.entries(fields)) {
      const names = [name, ...(field.aliases ?? [])];
      // Of a field's names, one may stand.
      if (names.length > 1) {
        const each = names.map((key) => ({ required: [key] }));
        choices.push({ oneOf: field.required ? each : [...each, { not: { anyOf: each } }] });
      } else if (field.required) required.push(name);
    }
    return {
      type: 'object',
      properties: { ...before, ...this.properties(message, fields) },
      ...(required.length > 0 && { required }),
      ...(choices.length > 0 && { allOf: choices }),
      ...(!this.options.lenient && { additionalProperties: false }),
    };
  }

  private properties(message: string, fields: Fields): Record<string, JsonSchema> {
    const all: Record<string, JsonSchema> = {};
    for (const [name, field] of Object.entries(fields)) {
      const value = message in LIST_OF && name === 'name' ? NAME : this.values(field);
      const facts = {
        ...this.described(message, name, field.unit),
        ...(field.default !== undefined && { default: field.default }),
      };
      const whole = { ...(field.required ? value : orNull(value)), ...facts };
      for (const key of [name, ...(field.aliases ?? [])]) all[key] = whole;
    }
    return all;
  }

  private described(message: string, field?: string, unit?: string): JsonSchema {
    const comment = this.options.comment?.(message, field) ?? (unit === undefined ? undefined : `In ${unit}`);
    return comment ? { description: comment } : {};
  }

  private fieldsOf(message: string): Fields {
    return this.options.schema[message]?.fields ?? {};
  }

  private values(field: FieldSchema): JsonSchema {
    const item = this.item(field);
    if (field.map) return { type: 'object', additionalProperties: item };
    if (!field.repeated) return item;
    const list = { type: 'array', items: item, ...(field.required && { minItems: 1 }) };
    const alone = aloneOf(field);
    return alone === undefined ? list : { anyOf: [list, { allOf: [alone, item] }] };
  }

  private item(field: FieldSchema): JsonSchema {
    const { type, message = '', reference, shorthand, values, format, min, max } = field;
    if (reference !== undefined) return anyOf(ONE_LINE, ...this.objects(reference));
    switch (type) {
      case 'json':
        return {};
      case 'message':
        if (shorthand !== undefined) {
          const short = this.fieldsOf(message)[shorthand];
          const text = short === undefined ? ONE_LINE : { allOf: [{ type: 'string' }, this.item(short)] };
          return anyOf(text, this.ref(message));
        }
        // A spec may be written in one line, as in udp://127.0.0.1:5000.
        if (this.options.schema[message]?.variants) return anyOf(ONE_LINE, this.ref(message));
        return anyOf(...this.objects(message));
      case 'boolean':
        return anyOf({ type: 'boolean' }, { enum: ['true', 'false'] });
      case 'string': {
        if (values) return words(values);
        const pattern = format === undefined ? undefined : PATTERNS[format];
        return { type: ['string', 'number'], ...(pattern !== undefined && { pattern }) };
      }
      default: {
        const digits = type === 'integer' ? '\\d+(\\.0+)?' : '\\d+(\\.\\d+)?';
        const number = { type, minimum: min ?? 0, maximum: max ?? Number.MAX_SAFE_INTEGER };
        return anyOf(number, { type: 'string', pattern: `^\\s*(${digits}|0[xX][\\da-fA-F]+)\\s*$` });
      }
    }
  }

  /** A message in place; a rule list may be just the rules. */
  private objects(message: string): JsonSchema[] {
    const { rules } = this.fieldsOf(message);
    const whole = this.ref(message);
    if (message !== 'RuleList' || rules === undefined) return [whole];
    return [whole, { type: 'array', items: this.item(rules) }];
  }

  private ref(message: string): JsonSchema {
    return { $ref: this.options.refer(message) };
  }
}

function anyOf(...forms: readonly JsonSchema[]): JsonSchema {
  const [only] = forms;
  return forms.length === 1 && only ? only : { anyOf: forms };
}

/** The same, or null, which is as good as absent. */
function orNull(value: JsonSchema): JsonSchema {
  if (Object.keys(value).length === 0) return value;
  const forms = Array.isArray(value['anyOf']) ? (value['anyOf'] as JsonSchema[]) : [value];
  return { anyOf: [...forms, { type: 'null' }] };
}

/** Words in any case; those that editors offer are written as they are meant. */
function words(values: readonly string[]): JsonSchema {
  const anyCase = values.map((word) =>
    Array.from(word)
      .map((letter) => {
        const [lower, upper] = [letter.toLowerCase(), letter.toUpperCase()];
        return lower === upper ? letter.replace(/[\^$\\.*+?()[\]{}|/]/u, '\\$&') : `[${lower}${upper}]`;
      })
      .join(''),
  );
  return { anyOf: [{ enum: values }, { type: 'string', pattern: `^(?:${anyCase.join('|')})$` }] };
}

/** What may stand for a list of one. */
function aloneOf({ shorthand, reference, type }: FieldSchema): JsonSchema | undefined {
  if (reference === undefined && (type === 'integer' || type === 'number')) return { type: ['string', 'number'] };
  return shorthand !== undefined || type !== 'message' ? { type: 'string' } : undefined;
}
