/** W3C Trace Context (https://www.w3.org/TR/trace-context/) and Baggage: what carries a trace from one to the next. */

/** The three fields, as they stand in headers. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
  /** Goes along as it is. */
  readonly baggage?: string | undefined;
}

/** Which span of which trace. */
export interface SpanIds {
  /** 32 hexadecimal digits, and 16. */
  readonly traceId: string;
  readonly spanId: string;
  /** Whether it is recorded. */
  readonly sampled: boolean;
  /** All three as `formatTraceparent` gives them, where they are at hand. */
  readonly traceparent?: string;
}

/** Version, trace, span and flags; later versions may say more behind (section 3.2). */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/u;

/** Undefined where it is none: the trace begins anew then (section 3.2.2). */
export function parseTraceparent(text: string): SpanIds | undefined {
  const [, version, traceId, spanId, flags = '', more] = TRACEPARENT.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent(ids: SpanIds): string {
  const { traceparent } = ids;
  if (traceparent !== undefined) return traceparent;
  const { traceId, spanId, sampled } = ids;
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** Of header fields by lower-case names, or members of a JSON object. Undefined where there is no good `traceparent`. */
export function readTraceContext(fields: Readonly<Record<string, unknown>>): TraceContext | undefined {
  const { traceparent } = fields;
  if (typeof traceparent !== 'string' || parseTraceparent(traceparent) === undefined) return undefined;
  return { traceparent, tracestate: printable(fields['tracestate']), baggage: printable(fields['baggage']) };
}

/** The fields that there are, by their names. */
export function traceFields({ traceparent, tracestate, baggage }: TraceContext): Record<string, string> {
  return { traceparent, ...(tracestate !== undefined && { tracestate }), ...(baggage !== undefined && { baggage }) };
}

/** What can stand in a header. */
function printable(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\t\x20-\x7e]+$/u.test(value) ? value : undefined;
}
