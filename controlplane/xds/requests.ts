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
  /** What the client has: its entries, encoded. */
  readonly initialVersions: readonly Uint8Array[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What each field's bytes do to a request; of fields that are not named nothing is wanted. All of them have a length. */
type Fields<T> = Readonly<Record<number, (reader: protobuf.Reader, into: T) => void>>;

/** @throws RpcError INVALID_ARGUMENT where the bytes are no message. */
function read<T>(bytes: Uint8Array, fields: Fields<T>, into: T): T {
  try {
    const reader = protobuf.Reader.create(bytes);
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
  readonly initialVersions: Uint8Array[];
}

const DELTA_FIELDS: Fields<DeltaFields> = {
  1: (reader, into) => (into.node = reader.bytes()),
  2: (reader, into) => (into.typeUrl = reader.string()),
  3: (reader, into) => into.subscribe.push(reader.string()),
  4: (reader, into) => into.unsubscribe.push(reader.string()),
  5: (reader, into) => into.initialVersions.push(reader.bytes()),
  6: (reader, into) => (into.nonce = reader.string()),
  7: (reader, into) => (into.error = readStatus(reader.bytes())),
};

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readSotwRequest(bytes: Uint8Array): SotwRequest {
  return read(bytes, SOTW_FIELDS, { node: undefined, typeUrl: '', nonce: '', error: undefined, names: [] });
}

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const empty = { node: undefined, typeUrl: '', nonce: '', error: undefined };
  return read(bytes, DELTA_FIELDS, { ...empty, subscribe: [], unsubscribe: [], initialVersions: [] });
}

const ENTRY_FIELDS: Fields<[name: string, version: string]> = {
  1: (reader, into) => (into[0] = reader.string()),
  2: (reader, into) => (into[1] = reader.string()),
};

/** One entry of `initial_resource_versions`. @throws RpcError INVALID_ARGUMENT. */
export function readVersion(entry: Uint8Array): readonly [name: string, version: string] {
  return read(entry, ENTRY_FIELDS, ['', '']);
}

const STATUS_FIELDS: Fields<{ message: string }> = { 2: (reader, into) => (into.message = reader.string()) };

/** The message of a `google.rpc.Status`: one without a message is an error as well. */
function readStatus(bytes: Uint8Array): string {
  return read(bytes, STATUS_FIELDS, { message: '' }).message;
}
