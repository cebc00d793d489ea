/** How sessions are traced: the pipeline tells, telemetry/ records. Types only. */
import type { Listener } from '../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';
import type { Incoming, SessionEvent, SessionView } from './session.ts';
import type { HeaderList, Stream } from './stream.ts';

/** Whoever records traces. */
export interface Tracing {
  /** Whether endpoints are told of the trace, and of what goes along. */
  readonly propagates: { readonly tracecontext: boolean; readonly baggage: boolean };
  /** Decides whether a session is recorded. Undefined: it is not, and its trace is passed on as it came. */
  begin(incoming: Incoming, listener: Listener): Traced | undefined;
}

/** The part of a session in its trace. */
export interface Traced {
  readonly ids: SpanIds;
  /** Undefined: it is not recorded, as those that it goes to are told. */
  readonly span?: SessionSpan | undefined;
}

/** The span of a session. */
export interface SessionSpan {
  event(event: SessionEvent): void;
  /** A stage is being connected. */
  attempt(cluster: string): AttemptSpan;
  /** The session is over. */
  end(session: SessionView): void;
}

/** The span of one connection of a stage: from the attempt until it is closed. */
export interface AttemptSpan {
  readonly ids: SpanIds;
  /** An endpoint was picked. */
  picked(endpoint: { readonly name: string; readonly address: string; readonly port?: number }): void;
  connected(stream: Stream): void;
  /** It answered, in words of HTTP. */
  answered(status: number, headers: HeaderList): void;
  /** Trailers came with the answer, which gRPC has its status in. */
  trailers(headers: HeaderList): void;
  /** With an error where it failed. Once. */
  end(error?: ProxyError): void;
}
