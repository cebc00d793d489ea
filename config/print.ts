/** The reverse of decoding: objects as plain JSON that would decode to the same, without what is default anyway. */
import { isDeepStrictEqual } from 'node:util';
import type { FieldSchema, Schema } from '../gen/schema-types.ts';
import type { Plain } from '../common/address.ts';
import type { ConfigSnapshot } from './snapshot.ts';
import { isPlain } from './scalars.ts';

/** A message without the fields that say what their absence says. */
export function compact(schema: Schema, name: string, value: object): Plain {
  const message = schema[name];
  const plain = value as Plain;
  if (message?.variants) {
    const { protocol, ...rest } = plain;
    const variant = message.variants[String(protocol)];
    return { protocol, ...(variant ? compact(schema, variant.message, rest) : rest) };
  }
  const out: Plain = {};
  for (const [key, field] of Object.entries(message?.fields ?? {})) {
    const kept = compactField(schema, field, plain[key]);
    if (kept !== undefined) out[key] = kept;
  }
  return out;
}

function compactField(schema: Schema, field: FieldSchema, value: unknown): unknown {
  // Of plain JSON, each value says something: 0, false and [], too.
  if (value === undefined || field.type === 'json') return value;
  if (field.required || field.assigned) return compactItem(schema, field, value);
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((item: unknown) => compactItem(schema, field, item));
  }
  if (isDeepStrictEqual(value, field.default)) return undefined;
  const kept = compactItem(schema, field, value);
  if (isPlain(kept) && Object.keys(kept).length === 0 && (field.map || field.default !== undefined)) return undefined;
  return !field.optional && kept === absent(field) ? undefined : kept;
}

/** What the decoder gives where nothing stands, and no default is named. */
function absent({ type, default: given }: FieldSchema): unknown {
  if (given !== undefined || type === 'string' || type === 'message') return undefined;
  return type === 'boolean' ? false : 0;
}

function compactItem(schema: Schema, field: FieldSchema, value: unknown): unknown {
  if (field.type !== 'message' || field.message === undefined || typeof value !== 'object' || value === null)
    return value;
  return compact(schema, field.message, value);
}

/** A whole configuration as its file would hold it: every object by its name. */
export function toPlain(
  schema: Schema,
  { admin, listeners, clusters, rulelists, rules, routes }: ConfigSnapshot,
): Plain {
  const list = (name: string, objects: ReadonlyMap<string, { readonly value: object }>): Plain[] =>
    [...objects.values()].map(({ value }) => compact(schema, name, value));
  return {
    admin: compact(schema, 'Admin', admin),
    listeners: list('Listener', listeners),
    clusters: list('Cluster', clusters),
    rulelists: list('RuleList', rulelists),
    rules: list('Rule', rules),
    routes: list('Route', routes),
  };
}
