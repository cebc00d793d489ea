/** Lines of the log as log records of OpenTelemetry. */
import { type Logger, SeverityNumber } from '@opentelemetry/api-logs';
import { type LineLevel, type LineSink, toPlainFields } from './log.ts';
import { contextOf } from './span-context.ts';
import type { SpanIds } from './trace-context.ts';

const SEVERITIES: Readonly<Record<LineLevel, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
};

/** Fields become attributes; `trace_id` and `span_id` tell which span a line belongs to. */
export function otlpLogSink(logger: Logger): LineSink {
  return (level, fields, message) => {
    const { trace_id: traceId, span_id: spanId, ...attributes } = toPlainFields(fields);
    const isTraced = typeof traceId === 'string' && typeof spanId === 'string';
    logger.emit({
      severityNumber: SEVERITIES[level],
      severityText: level.toUpperCase(),
      body: message,
      attributes,
      ...(isTraced && { context: contextOf({ traceId, spanId, sampled: true }) }),
    });
  };
}

/** Fields of a log line by which it is found with a span. */
export function logFieldsOf({ traceId, spanId }: SpanIds): { trace_id: string; span_id: string } {
  return { trace_id: traceId, span_id: spanId };
}
