/** Configuration objects on the wire: protobuf messages of the types that the discovery service carries. */
import { schema as builtin } from '../gen/l7mp/config/v1/schema.ts';
import type { FieldSchema, Schema } from '../gen/schema-types.ts';
import { codecOf, type MessageCodec } from '../rpc/protos.ts';
import type { Plain } from '../common/address.ts';
import { compact } from './print.ts';
import { isPlain } from './scalars.ts';
import type { WireKind } from './wire-kinds.ts';

const codecs = new Map<WireKind, MessageCodec<object>>();

function codec(kind: WireKind): MessageCodec<object> {
  let made = codecs.get(kind);
  if (made === undefined) {
    made = codecOf<object>(`l7mp.config.v1.${kind}`, 'absent');
    codecs.set(kind, made);
  }
  return made;
}

/** Encodes a decoded object, without what is default anyway: equal objects give equal bytes. */
export function encodeObject(kind: WireKind, value: object, schema: Schema = builtin): Buffer {
  return codec(kind).encode(toWire(schema, kind, compact(schema, kind, value)));
}

/** Plain JSON as configuration files have it, to be decoded (and checked) as theirs. @throws Error where the bytes are no message. */
export function decodeBytes(kind: WireKind, bytes: Uint8Array, schema: Schema = builtin): Plain {
  return fromWire(schema, kind, codec(kind).decode(bytes) as Plain);
}

type Walk = (schema: Schema, message: string, plain: Plain) => Plain;

/** `{protocol: UDP, port: 1}` is `{udp: {port: 1}}` on the wire. */
function toWire(schema: Schema, message: string, plain: Plain): Plain {
  const { variants, fields } = schema[message] ?? {};
  if (variants === undefined) return walk(schema, fields, plain, toWire);
  const { protocol, ...rest } = plain;
  const variant = variants[String(protocol)];
  if (variant?.field === undefined) {
    throw new TypeError(
      `expected a built-in protocol, found ${String(protocol)}: a plugin's specs have no form on the wire`,
    );
  }
  return { [variant.field]: toWire(schema, variant.message, rest) };
}

function fromWire(schema: Schema, message: string, plain: Plain): Plain {
  const { variants, fields } = schema[message] ?? {};
  if (variants === undefined) return walk(schema, fields, { ...zerosOf(fields), ...plain }, fromWire);
  const [field, spec] = Object.entries(plain).find(([, value]) => isPlain(value)) ?? [];
  const found = Object.entries(variants).find(([, variant]) => variant.field === field && field !== undefined);
  if (found === undefined || !isPlain(spec)) return {}; // a protocol that is not known here: decoding says that there is none
  const [protocol, variant] = found;
  return { protocol, ...fromWire(schema, variant.message, spec) };
}

/** A required number that is 0 (a listener's port) is not on the wire: there it can't be told from an absent one. */
function zerosOf(fields: Readonly<Record<string, FieldSchema>> = {}): Plain {
  const numbers = Object.entries(fields).filter(
    ([, { required, repeated, optional, type }]) =>
      required && !repeated && !optional && (type === 'integer' || type === 'number'),
  );
  return Object.fromEntries(numbers.map(([name]) => [name, 0]));
}

function walk(schema: Schema, fields: Readonly<Record<string, FieldSchema>> = {}, plain: Plain, step: Walk): Plain {
  const out: Plain = { ...plain };
  for (const [name, { type, message, repeated, map }] of Object.entries(fields)) {
    const value = out[name];
    if (type !== 'message' || message === undefined || value === undefined) continue;
    const one = (item: unknown): unknown => (isPlain(item) ? step(schema, message, item) : item);
    if (repeated && Array.isArray(value)) out[name] = value.map(one);
    else if (map && isPlain(value)) {
      out[name] = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, one(item)]));
    } else out[name] = one(value);
  }
  return out;
}
