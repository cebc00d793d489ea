/** The messages of proto/ at run time. */
import protobuf from 'protobufjs';
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
}

/** The codec of a message by its full name. @throws Error for an unknown name. */
export function codecOf<T>(name: string, absence: Absence = 'zeros'): MessageCodec<T> {
  const type = root.lookupType(name);
  const conversion: protobuf.IConversionOptions = { longs: Number, enums: String, bytes: Buffer };
  if (absence === 'zeros') Object.assign(conversion, { arrays: true, objects: true });
  return {
    encode: (value) => {
      const bytes = type.encode(type.fromObject(toFields(type, value))).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode: (bytes) => {
      const fields = fromFields(type, type.toObject(type.decode(bytes), conversion));
      return (absence === 'zeros' ? withZeros(type, fields) : fields) as T;
    },
  };
}

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
