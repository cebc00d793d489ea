/** What is begun, or emitted, in a span that is another's or has begun elsewhere. */
import { type Context, createTraceState, ROOT_CONTEXT, type Span, trace, TraceFlags } from '@opentelemetry/api';
import type { SpanIds } from './trace-context.ts';

/** `isRemote`: the span is another program's. */
export function contextOf({ traceId, spanId, sampled }: SpanIds, { isRemote = false, tracestate = '' } = {}): Context {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  const traceState = tracestate === '' ? undefined : createTraceState(tracestate);
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags,
    isRemote,
    ...(traceState && { traceState }),
  });
}

/** Of a span that is recorded. */
export function idsOf(span: Span): SpanIds {
  const { traceId, spanId } = span.spanContext();
  return { traceId, spanId, sampled: true };
}
