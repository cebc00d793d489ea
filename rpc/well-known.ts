/**
 * In place of some well-known types stands what programs work with: for `google.protobuf.Struct`, `Value` and
 * `ListValue` plain JSON, for `Timestamp` ISO 8601 text, for `Duration` a number of ms.
 */
import protobuf from 'protobufjs';
import type { Json } from '../gen/l7mp/config/v1/types.ts';

export type Fields = Record<string, unknown>;

interface Conversion {
  readonly toFields: (value: never) => Fields;
  readonly fromFields: (fields: never) => unknown;
}

interface Time {
  readonly seconds?: number;
  readonly nanos?: number;
}

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  '.google.protobuf.Struct': { toFields: structFields, fromFields: structOf },
  '.google.protobuf.ListValue': { toFields: listFields, fromFields: listOf },
  '.google.protobuf.Value': { toFields: valueFields, fromFields: valueOf },
  '.google.protobuf.Timestamp': {
    toFields: (iso: string) => {
      const ms = Date.parse(iso);
      const seconds = Math.floor(ms / 1000);
      return { seconds, nanos: (ms - seconds * 1000) * 1e6 };
    },
    fromFields: ({ seconds = 0, nanos = 0 }: Time) => new Date(seconds * 1000 + nanos / 1e6).toISOString(),
  },
  '.google.protobuf.Duration': {
    toFields: (ms: number) => ({ seconds: Math.trunc(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) }),
    fromFields: ({ seconds = 0, nanos = 0 }: Time) => seconds * 1000 + nanos / 1e6,
  },
};

function structFields(value: Record<string, Json>): Fields {
  return { fields: Object.fromEntries(Object.entries(value).map(([key, each]) => [key, valueFields(each)])) };
}

function listFields(values: Json[]): Fields {
  return { values: values.map(valueFields) };
}

function valueFields(value: Json): Fields {
  if (value === null) return { nullValue: 0 };
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'number':
      return { numberValue: value };
    case 'boolean':
      return { boolValue: value };
    default:
      return Array.isArray(value) ? { listValue: listFields(value) } : { structValue: structFields(value) };
  }
}

function structOf({ fields = {} }: { readonly fields?: Readonly<Record<string, Fields>> }): Record<string, Json> {
  return Object.fromEntries(Object.entries(fields).map(([key, each]) => [key, valueOf(each)]));
}

function listOf({ values = [] }: { readonly values?: readonly Fields[] }): Json[] {
  return values.map(valueOf);
}

/** One member is set, or none, which stands for null. */
function valueOf(fields: Fields): Json {
  const { structValue: struct, listValue: list } = fields;
  if (struct) return structOf(struct);
  if (list) return listOf(list);
  if ('nullValue' in fields) return null;
  return (fields['stringValue'] ?? fields['numberValue'] ?? fields['boolValue'] ?? null) as Json;
}

type Converter = (value: never, direction: 'toFields' | 'fromFields') => unknown;

interface Part {
  readonly field: protobuf.Field;
  readonly inner: Converter;
}

/** The parts of a message that are converted; filled in after it is there, as a message may hold itself. */
const partsOf = new Map<protobuf.Type, Part[]>();

function converterOf(type: protobuf.Type): Converter {
  const known = CONVERSIONS[type.fullName];
  if (known) return (value, direction) => known[direction](value);
  let parts = partsOf.get(type);
  if (parts === undefined) {
    parts = [];
    partsOf.set(type, parts);
    for (const field of type.fieldsArray) {
      if (field.resolvedType instanceof protobuf.Type) parts.push({ field, inner: converterOf(field.resolvedType) });
    }
  }
  return (value, direction) => convertFields(parts, value, direction);
}

function convertFields(parts: readonly Part[], value: Fields, direction: 'toFields' | 'fromFields'): Fields {
  if (parts.length === 0) return value;
  const out = { ...value };
  for (const { field, inner } of parts) {
    const each = out[field.name];
    if (each === undefined) continue;
    // null is a value of `Value`, and elsewhere the absence of a message.
    if (each === null && field.resolvedType?.fullName !== '.google.protobuf.Value') continue;
    if (field.repeated) out[field.name] = (each as never[]).map((item) => inner(item, direction));
    else if (field instanceof protobuf.MapField) {
      const entries = Object.entries(each as Record<string, never>);
      out[field.name] = Object.fromEntries(entries.map(([key, item]) => [key, inner(item, direction)]));
    } else out[field.name] = inner(each as never, direction);
  }
  return out;
}

/** What programs work with, as the fields of a message. */
export function toFields(type: protobuf.Type, value: object): Fields {
  return converterOf(type)(value as never, 'toFields') as Fields;
}

/** The reverse. */
export function fromFields(type: protobuf.Type, fields: Fields): Fields {
  return converterOf(type)(fields as never, 'fromFields') as Fields;
}
