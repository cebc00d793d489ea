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

/** Reads fields by their numbers; those without a reader are passed over. @throws RpcError INVALID_ARGUMENT. */
function read(bytes: Uint8Array, fields: Readonly<Record<number, (reader: protobuf.Reader) => void>>): void {
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const field = (tag & 7) === 2 ? fields[tag >>> 3] : undefined; // all of them have a length
      if (field === undefined) reader.skipType(tag & 7);
      else field(reader);
    }
  } catch (error) {
    if (error instanceof RpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(STATUS.INVALID_ARGUMENT, `expected a discovery request: ${reason}`);
  }
}

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readSotwRequest(bytes: Uint8Array): SotwRequest {
  const request = {
    node: undefined as Uint8Array | undefined,
    typeUrl: '',
    nonce: '',
    error: undefined as string | undefined,
  };
  const names: string[] = [];
  read(bytes, {
    2: (reader) => (request.node = reader.bytes()),
    3: (reader) => names.push(reader.string()),
    4: (reader) => (request.typeUrl = reader.string()),
    5: (reader) => (request.nonce = reader.string()),
    6: (reader) => (request.error = readStatus(reader.bytes())),
  });
  return { ...request, names };
}

/** @throws RpcError INVALID_ARGUMENT where the bytes are no such message. */
export function readDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const request = {
    node: undefined as Uint8Array | undefined,
    typeUrl: '',
    nonce: '',
    error: undefined as string | undefined,
  };
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialVersions: Uint8Array[] = [];
  read(bytes, {
    1: (reader) => (request.node = reader.bytes()),
    2: (reader) => (request.typeUrl = reader.string()),
    3: (reader) => subscribe.push(reader.string()),
    4: (reader) => unsubscribe.push(reader.string()),
    5: (reader) => initialVersions.push(reader.bytes()),
    6: (reader) => (request.nonce = reader.string()),
    7: (reader) => (request.error = readStatus(reader.bytes())),
  });
  return { ...request, subscribe, unsubscribe, initialVersions };
}

/** One entry of `initial_resource_versions`. @throws RpcError INVALID_ARGUMENT. */
export function readVersion(entry: Uint8Array): readonly [name: string, version: string] {
  let name = '';
  let version = '';
  read(entry, { 1: (reader) => (name = reader.string()), 2: (reader) => (version = reader.string()) });
  return [name, version];
}

/** The message of a `google.rpc.Status`: one without a message is an error as well. */
function readStatus(bytes: Uint8Array): string {
  let message = '';
  read(bytes, { 2: (reader) => (message = reader.string()) });
  return message;
}
