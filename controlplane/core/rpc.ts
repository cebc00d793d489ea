/** What services are to the gRPC server: handlers of decoded or of raw messages. Types only. */
import type { Identity } from './identity.ts';

/** gRPC's status codes that are used here. */
export const STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** What a handler throws to answer with a status. `details` are in `grpc-status-details-bin` (google.rpc.Status). */
export class RpcError extends Error {
  readonly code: StatusCode;
  readonly details: readonly { readonly type_url: string; readonly value: Buffer }[];

  constructor(code: StatusCode, message: string, details: RpcError['details'] = []) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.details = details;
  }
}

export interface Call {
  readonly identity: Identity;
  /** As in `10.0.0.1:40000`. */
  readonly peer: string;
  /** Lower-case names. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted when the call is over for whatever reason: cancelled, past its deadline, the connection lost, the server closed. */
  readonly signal: AbortSignal;
}

/** One request, one response. */
export type Unary = (request: never, call: Call) => Promise<object>;
/** One request, many responses: what is yielded is sent as the client takes it. */
export type ServerStreaming = (request: never, call: Call) => AsyncIterable<object>;
/** Many requests: read as the handler takes them. */
export type ClientStreaming = (requests: AsyncIterable<never>, call: Call) => Promise<object>;
export type Bidirectional = (requests: AsyncIterable<never>, call: Call) => AsyncIterable<object>;

/** A stream of undecoded messages, for a service that can't afford an object for each. */
export interface RawStream {
  readonly call: Call;
  /** Called with each message's bytes, in order; what it throws ends the stream with that status. */
  onMessage: (bytes: Buffer) => void;
  /** The client will send no more; it still reads. */
  onEnd: () => void;
  /** After `write` returned false: there is room again. */
  onDrain: () => void;
  /** Once, last. */
  onClose: () => void;
  /**
   * Sends one message, given in parts that are not copied and must not be changed later. False: the client is slow, and
   * nothing more should be written before `onDrain`.
   */
  write(parts: readonly Buffer[]): boolean;
  /** Bytes that were written and not yet taken by the connection. */
  readonly queued: number;
  /** Ends the stream with a status. */
  end(code: StatusCode, message: string): void;
}

export type RawHandler = (stream: RawStream) => void;

/** A service: its full name, and its handlers by method name. */
export interface Service {
  readonly name: string;
  /** The service of proto/ that says what its methods are, where that has another name. */
  readonly definition?: string;
  /** Whoever connects may call it, without an identity: health checks. */
  readonly anonymous?: boolean;
  readonly methods?: Readonly<Record<string, Unary | ServerStreaming | ClientStreaming | Bidirectional>>;
  readonly raw?: Readonly<Record<string, RawHandler>>;
}
