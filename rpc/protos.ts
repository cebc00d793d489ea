/** The messages of proto/ at run time. */
import protobuf from 'protobufjs';
import { Slices } from '../common/slices.ts';
import { protos } from '../gen/descriptors.ts';
import { type Fields, fromFields, toFields } from './well-known.ts';

export const root = protobuf.Root.fromJSON(protos).resolveAll();

/** Fields that are not on the wire: zeros (of gRPC's messages), or absent (of configuration, which has its own defaults). */
export type Absence = 'zeros' | 'absent';

export interface MessageCodec<T> {
  /** Fields that are absent or undefined are not written. */
  readonly encode: (value: Partial<T>) => Buffer;
  /** @throws Error where the bytes are no such message. */
  readonly decode: (bytes: Uint8Array) => T;
  /** The same with pauses for others between the messages of lists. Rejects where `decode` throws. */
  readonly decodeInSlices: (bytes: Uint8Array) => Promise<T>;
}

/** The codec of a message by its full name. @throws Error for an unknown name. */
export function codecOf<T>(name: string, absence: Absence = 'zeros'): MessageCodec<T> {
  const type = root.lookupType(name);
  const conversion: protobuf.IConversionOptions = { longs: Number, enums: String, bytes: Buffer };
  if (absence === 'zeros') Object.assign(conversion, { arrays: true, objects: true });
  const decode = (bytes: Uint8Array): T => {
    const fields = fromFields(type, type.toObject(type.decode(bytes), conversion));
    return (absence === 'zeros' ? withZeros(type, fields) : fields) as T;
  };
  return {
    encode: (value) => {
      const bytes = type.encode(type.fromObject(toFields(type, value))).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode,
    decodeInSlices: async (bytes) => {
      const { lists, rest } = withoutLists(type, bytes);
      const decoded: Fields = {};
      const slices = new Slices();
      for (const [{ name: field, resolvedType }, items] of lists) {
        const codec = codecOf((resolvedType as protobuf.Type).fullName, absence);
        const values: unknown[] = [];
        for (const item of items) {
          if (slices.isOver) await slices.next();
          values.push(codec.decode(item));
        }
        decoded[field] = values;
      }
      return { ...decode(rest), ...decoded };
    },
  };
}

/** The messages of the lists of a message, undecoded, and the bytes of all else. @throws Error where the bytes are no fields. */
function withoutLists(
  type: protobuf.Type,
  bytes: Uint8Array,
): { readonly lists: ReadonlyMap<protobuf.Field, readonly Uint8Array[]>; readonly rest: Uint8Array } {
  const lists = new Map<protobuf.Field, Uint8Array[]>();
  const rest: Uint8Array[] = [];
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const tag = reader.uint32();
    const field = type.fieldsById[tag >>> 3];
    const isItem = field?.repeated === true && field.resolvedType instanceof protobuf.Type;
    if (isItem && (tag & 7) === LENGTH_DELIMITED) {
      const items = lists.get(field) ?? [];
      items.push(reader.bytes());
      lists.set(field, items);
    } else {
      reader.skipType(tag & 7);
      rest.push(bytes.subarray(from, reader.pos));
    }
  }
  return { lists, rest: Buffer.concat(rest) };
}

/** The wire type of messages, strings and bytes. */
const LENGTH_DELIMITED = 2;

/** Scalars that are not on the wire as zeros; but messages, members of a oneof, and what is declared optional stay absent. */
function withZeros(type: protobuf.Type, fields: Fields): Fields {
  for (const field of type.fieldsArray) {
    const value = fields[field.name];
    const inner = field.resolvedType;
    if (inner instanceof protobuf.Type) {
      if (value === undefined || value === null || inner.fullName.startsWith('.google.protobuf.')) continue;
      if (field.repeated) for (const item of value as Fields[]) withZeros(inner, item);
      else if (field instanceof protobuf.MapField)
        for (const item of Object.values(value)) withZeros(inner, item as Fields);
      else withZeros(inner, value as Fields);
    } else if (value === undefined && field.partOf === null) {
      fields[field.name] = zeroOf(field);
    }
  }
  return fields;
}

function zeroOf(field: protobuf.Field): unknown {
  if (field.resolvedType instanceof protobuf.Enum) return Object.keys(field.resolvedType.values)[0];
  switch (field.type) {
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'bool':
      return false;
    default:
      return 0;
  }
}
