/** The session: one client's stream from accept to close, and what became of it. Types only. */
import type { Json, Telemetry } from '../../gen/l7mp/config/v1/types.ts';
import type { ErrorCode, ProxyError } from '../../common/errors.ts';
import type { SpanIds, TraceContext } from '../../common/telemetry/trace-context.ts';
import type { FlowTraffic, LeftPair, OffloadView, SessionNote } from './offload.ts';
import type { Stream } from './stream.ts';

/** What is known of a session: a JSON tree that the listener fills, rules match and rewrite, and clusters read. */
export type Metadata = Record<string, Json>;

/** What a listener hands over for each new session. */
export interface Incoming {
  /** Unique among live sessions. */
  readonly name: string;
  readonly metadata: Metadata;
  readonly stream: Stream;
  /** It is none that begins: the kernel has it from an earlier process. */
  readonly resumed?: LeftPair | undefined;
  /** Its client was there before, on a connection that serves one after the other: a proxy that drains takes it, too. */
  readonly isKept?: boolean;
  /** The trace that the client says it belongs to, as the metadata has it now; absent: its protocol has no place for that. */
  readonly traceOf?: ((metadata: Metadata) => TraceContext | undefined) | undefined;
}

/**
 * Takes a session. Before it returns it has called `stream.open`, or it has refused and destroyed the stream (then
 * it gives false); so data that came with the session is delivered right after.
 */
export type Accept = (incoming: Incoming) => boolean;

/** Counts, and logs, a client that the listener itself turned away. */
export type Refused = (error: ProxyError, source?: string) => void;

/**
 * ```
 * init -> connected <-> disconnected -> finalizing -> destroyed
 *    \_________________________________/
 * ```
 */
export type SessionStatus = 'INIT' | 'CONNECTED' | 'DISCONNECTED' | 'FINALIZING' | 'DESTROYED';

/** One thing that happened to a session. */
export interface SessionEvent {
  readonly event: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly message: string;
  readonly content?: Json;
}

/** What passed in one direction. */
export interface DirectionCounters {
  bytes: number;
  /** Datagrams, or chunks of a byte stream. */
  packets: number;
  /** Datagrams dropped for want of room or rate. */
  dropped: number;
}

/** A stage of a session as others see it. */
export interface StageView {
  /** The listener's or cluster's name. */
  readonly origin: string;
  readonly endpoint?: { readonly name: string; readonly address: string; readonly port?: number } | undefined;
  readonly status: 'INIT' | 'READY' | 'RETRYING' | 'FINALIZED';
  readonly attempts: number;
}

/** A session as the REST API, logs and metrics see it. */
export interface SessionView {
  /** Rises from session to session, from 1 at the proxy's start. */
  readonly id: number;
  readonly name: string;
  readonly listener: string;
  readonly metadata: Metadata;
  readonly status: SessionStatus;
  readonly source: StageView;
  readonly destination: StageView | undefined;
  readonly ingress: readonly StageView[];
  readonly egress: readonly StageView[];
  readonly events: readonly SessionEvent[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number | undefined;
  /** How long it has lasted, so far or in all, in ms: by a clock that never steps. */
  readonly elapsed: number;
  /** From the client, and to it. */
  readonly counters: { readonly ingress: DirectionCounters; readonly egress: DirectionCounters };
  /** What of that the kernel relayed; undefined: nothing. */
  readonly kernelTraffic?: { readonly ingress: FlowTraffic; readonly egress: FlowTraffic } | undefined;
  /** What of both had passed before this process had it: a session that goes on from an earlier one. */
  readonly inherited?: Pick<SessionNote, 'passed' | 'relayed'> | undefined;
  /** Which way its packets take, and why. */
  readonly offload: OffloadView;
  /** Bytes a second of late, in both directions. */
  readonly rate: number;
  /** The same by direction, with packets a second. */
  readonly rates: { readonly ingress: FlowTraffic; readonly egress: FlowTraffic };
  /** Names of the rule list, rule and route that were taken. */
  readonly rulelist: string | undefined;
  readonly rule: string | undefined;
  readonly route: string | undefined;
  /** Why it ended: `OK`, or a code of the catalogue. */
  readonly reason: ErrorCode | 'OK' | undefined;
  readonly retries: number;
  /** It is a request of HTTP. */
  readonly isHttpRequest?: boolean | undefined;
  /** What the client was answered with, where it speaks HTTP. */
  readonly httpStatus?: number | undefined;
  /** The status of gRPC that its call ended with. */
  readonly grpcStatus?: number | undefined;
  /** What its listener has told of it. */
  readonly telemetry?: Telemetry | undefined;
  /** Its own span; where it is not recorded, the one that its client said. Undefined: there is neither. */
  readonly trace?: SpanIds | undefined;
  /** Its own span, where it is recorded. */
  readonly recorded?: SpanIds | undefined;
  /** Ends it at once. */
  destroy(error: ProxyError): void;
}
