/**
 * Requests of the discovery service, read by hand: of the ACKs of thousands of streams only a few fields are wanted, and
 * what a client has is never made a map of. Field numbers: proto/envoy/service/discovery/v3/discovery.proto.
 */
import protobuf from 'protobufjs';
import { RpcError, STATUS } from '../core/rpc.ts';

export interface Request {
  /** Encoded. */
  readonly node: Uint8Array | undefined;
  readonly typeUrl: string;
  readonly nonce: string;
  /** Why the response is refused; undefined: it is not. */
  readonly error: string | undefined;
}

export interface SotwRequest extends Request {
  readonly names: readonly string[];
}

export interface DeltaRequest extends Request {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** What the client has: a map of versions by name. */
  readonly initialVersions: Entries;
}

/** Entries of a map, where they are in the bytes of a request: there may be tens of thousands. */
export interface Entries {
  readonly bytes: Uint8Array;
  /** Start and end of one after the other. */
  readonly bounds: readonly number[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What each field's bytes do to a request; of fields that are not named nothing is wanted. All of them have a length. */
type Fields<T> = Readonly<Record<number, (reader: protobuf.Reader, into: T) => void>>;

/** @throws RpcError INVALID_ARGUMENT where the bytes are no message. */
function read<T>(bytes: Uint8Array, fields: Fields<T>, into: T): T {
  return readFrom(protobuf.Reader.create(bytes), fields, into);
}

function readFrom<T>(reader: protobuf.Reader, fields: Fields<T>, into: T): T {
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const field = (tag & 7) === 2 ? fields[tag >>> 3] : undefined;
      if (field === undefined) reader.skipType(tag & 7);
      else field(reader, into);
    }
    return into;
  } catch (error) {
    if (error instanceof RpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(STATUS.INVALID_ARGUMENT, `expected a discovery request: ${reason}`);
  }
}

type SotwFields = Mutable<SotwRequest> & { readonly names: string[] };

const SOTW_FIELDS: Fields<SotwFields> = {
  2: (reader, into) => (into.node = reader.bytes()),
  3: (reader, into) => into.names.push(reader.string()),
  4: (reader, into) => (into.typeUrl = reader.string()),
  5: (reader, into) => (into.nonce = reader.string()),
  6: (reader, into) => (into.error = readStatus(reader.bytes())),
};

interface DeltaFields extends Mutable<DeltaRequest> {
  readonly subscribe: string[];
  readonly unsubscribe: string[];
  readonly initialVersions: { readonly bytes: Uint8Array; readonly bounds: number[] };
}

const DELTA_FIELDS: Fields<DeltaFields> = {
  1: (reader, into) => (into.node = reader.bytes()),
  2: (reader, into) => (into.typeUrl = reader.string()),
  3: (reader, into) => into.subscribe.push(reader.string()),
  4: (reader, into) => into.unsubscribe.push(reader.string()),
  5: (reader, into) => {
    const length = reader.uint32();
    into.initialVersions.bounds.push(reader.pos, reader.pos + length);
    reader.skip(length);
  },
  6: (reader, into) => (into.nonce = reader.string()),
  7: (reader, into) => (into.error = readStatus(reader.bytes())),
};

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readSotwRequest(bytes: Uint8Array): SotwRequest {
  return read(bytes, SOTW_FIELDS, { node: undefined, typeUrl: '', nonce: '', error: undefined, names: [] });
}

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readDeltaRequest(bytes: Uint8Array): DeltaRequest {
  // Spelled out: a spread takes longer than all the rest of an ACK.
  return read<DeltaFields>(bytes, DELTA_FIELDS, {
    node: undefined,
    typeUrl: '',
    nonce: '',
    error: undefined,
    subscribe: [],
    unsubscribe: [],
    initialVersions: { bytes, bounds: [] },
  });
}

const ENTRY_FIELDS: Fields<[name: string, version: string]> = {
  1: (reader, into) => (into[0] = reader.string()),
  2: (reader, into) => (into[1] = reader.string()),
};

/** Calls back with each entry of a map; a name may come twice. @throws RpcError INVALID_ARGUMENT. */
export function readVersions({ bytes, bounds }: Entries, each: (name: string, version: string) => void): void {
  const reader = protobuf.Reader.create(bytes);
  for (let index = 0; index < bounds.length; index += 2) {
    reader.pos = bounds[index] ?? 0;
    reader.len = bounds[index + 1] ?? 0;
    const [name, version] = readFrom(reader, ENTRY_FIELDS, ['', '']);
    each(name, version);
  }
}

const STATUS_FIELDS: Fields<{ message: string }> = { 2: (reader, into) => (into.message = reader.string()) };

/** The message of a `google.rpc.Status`: one without a message is an error as well. */
function readStatus(bytes: Uint8Array): string {
  return read(bytes, STATUS_FIELDS, { message: '' }).message;
}
