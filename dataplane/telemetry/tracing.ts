/** Sessions as spans of OpenTelemetry: decides which are recorded, and records what they tell. Loaded where traces are exported. */
import { type Context, type Span, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import type { ProxyError } from '../../common/errors.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import type { LogFields } from '../../common/log.ts';
import { logFieldsOf } from '../../common/telemetry/otlp-log.ts';
import type { TraceSettings } from '../../common/telemetry/otel-settings.ts';
import { beginIn, createSampling } from '../../common/telemetry/sampling.ts';
import { idsOf } from '../../common/telemetry/span-context.ts';
import type { SpanIdSource } from '../../common/telemetry/span-ids.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';
import type { SessionEvent, SessionView } from '../core/session.ts';
import type { AttemptSpan, SessionSpan, Tracing } from '../core/trace.ts';
import { failureOf } from '../core/failures.ts';
import { grpcStatusName, isGrpc, parseGrpcStatus } from '../core/grpc-status.ts';
import type { HeaderList } from '../core/stream.ts';
import { attributesOf, spanNameOf, toAttribute } from './span-attributes.ts';

/** Whoever records, and is asked for those that are recorded. */
export interface SessionTracing extends Tracing {
  /** Fields for a log line of a live session that is recorded. */
  fieldsOf(session: unknown): LogFields | undefined;
}

/** `ids` are those that the tracer's provider uses. */
export function createTracing(
  tracer: Tracer,
  { sampler, propagators }: TraceSettings,
  ids: SpanIdSource,
): SessionTracing {
  /** Those that live, by name. */
  const recorded = new Map<string, SpanIds>();
  const decide = createSampling(sampler);
  return {
    propagates: propagators,
    fieldsOf: (session) => {
      const found = typeof session === 'string' ? recorded.get(session) : undefined;
      return found && logFieldsOf(found);
    },
    begin: (incoming, { name, options }) => {
      const { enabled, percent } = options.telemetry.tracing;
      if (!enabled) return undefined;
      const came = propagators.tracecontext ? incoming.traceOf?.(incoming.metadata) : undefined;
      const decided = decide(
        came,
        percent === undefined ? sampler : { parentBased: sampler.parentBased, ratio: percent / 100 },
      );
      if (!decided.sampled) {
        // Who decides anew on the way would record half a trace.
        return decided.parent?.sampled === false ? undefined : { ids: decided.ids };
      }
      const context = beginIn(decided, came, ids);
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER }, context);
      const own = idsOf(span);
      recorded.set(incoming.name, own);
      const onEnd = (): void => {
        if (recorded.get(incoming.name) === own) recorded.delete(incoming.name);
      };
      return { ids: own, span: new RecordedSession(tracer, span, context, onEnd) };
    },
  };
}

/** Events of a session's timeline by their names in its span; others have their own. */
const EVENT_NAMES: Readonly<Record<string, string>> = {
  INIT: 'accept',
  'LOOKUP SUCCESS': 'match',
  'LOOKUP FAILED': 'match',
  KERNEL: 'offload',
  'USER SPACE': 'hand_back',
  END: 'close',
};

/** Events that the span's own end tells. */
const UNTOLD: ReadonlySet<string> = new Set(['DESTROYED']);

class RecordedSession implements SessionSpan {
  private readonly tracer: Tracer;
  private readonly span: Span;
  private readonly context: Context;
  private readonly onEnd: () => void;

  constructor(tracer: Tracer, span: Span, parent: Context, onEnd: () => void) {
    this.tracer = tracer;
    this.span = span;
    this.onEnd = onEnd;
    this.context = trace.setSpan(parent, span);
  }

  event({ event, message }: SessionEvent): void {
    if (UNTOLD.has(event)) return;
    this.span.addEvent(EVENT_NAMES[event] ?? event.toLowerCase().replaceAll(' ', '_'), { message });
  }

  attempt(cluster: string): AttemptSpan {
    const attributes = { 'l7mp.cluster': cluster };
    return new RecordedAttempt(this.tracer.startSpan(cluster, { kind: SpanKind.CLIENT, attributes }, this.context));
  }

  end(session: SessionView): void {
    const { span } = this;
    const failure = failureOf(session);
    span.updateName(spanNameOf(session));
    span.setAttributes(attributesOf(session));
    for (const { name, path } of session.telemetry?.tracing.attributes ?? []) {
      const value = toAttribute(getAt(session.metadata, parsePointer(path)));
      if (value !== undefined) span.setAttribute(name, value);
    }
    if (failure !== undefined) {
      span.setAttribute('error.type', failure);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
    this.onEnd();
  }
}

class RecordedAttempt implements AttemptSpan {
  readonly ids: SpanIds;
  private readonly span: Span;
  private status: number | undefined;
  private isGrpc = false;
  private grpcStatus: number | undefined;

  constructor(span: Span) {
    this.span = span;
    this.ids = idsOf(span);
  }

  picked({ name, address, port }: Parameters<AttemptSpan['picked']>[0]): void {
    this.span.setAttribute('l7mp.endpoint', name);
    if (address !== '') this.span.setAttribute('server.address', address);
    if (port) this.span.setAttribute('server.port', port);
  }

  connected(): void {
    this.span.addEvent('connect');
  }

  answered(status: number, headers: HeaderList): void {
    this.status = status;
    this.span.setAttribute('http.response.status_code', status);
    this.isGrpc = isGrpc(valueOf(headers, 'content-type'));
    this.trailers(headers); // an answer without messages has the status there
  }

  trailers(headers: HeaderList): void {
    const status = this.isGrpc ? valueOf(headers, 'grpc-status') : undefined;
    if (status !== undefined) this.grpcStatus = parseGrpcStatus(status);
  }

  /** Clients take an answer of 400 and above, and any status of gRPC but `OK`, for a failure (semantic conventions for spans of both). */
  end(error?: ProxyError): void {
    const { span, status, grpcStatus } = this;
    let failure: string | undefined = error?.code;
    // A handshake of WebSocket that was refused.
    if (error && 'status' in error) span.setAttribute('http.response.status_code', Number(error.status));
    if (grpcStatus !== undefined) {
      const name = grpcStatusName(grpcStatus);
      span.setAttributes({ 'rpc.system.name': 'grpc', 'rpc.response.status_code': name });
      if (grpcStatus !== 0) failure ??= name;
    }
    if (status !== undefined && status >= 400) failure ??= String(status);
    if (failure !== undefined) {
      span.setAttribute('error.type', failure);
      span.setStatus({ code: SpanStatusCode.ERROR, ...(error && { message: error.message }) });
    }
    span.end();
  }
}

/** Of a field by its name in lower case; undefined where there is none. */
function valueOf(headers: HeaderList, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at]?.toLowerCase() === name) return headers[at + 1];
  return undefined;
}
