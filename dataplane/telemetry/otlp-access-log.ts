/** The access log as log records of OpenTelemetry: each is the event that a session has ended. */
import { type Logger, SeverityNumber } from '@opentelemetry/api-logs';
import { contextOf } from '../../common/telemetry/span-context.ts';
import { type AccessLog, lineOf } from './access-log.ts';
import { failureOf } from '../core/failures.ts';
import { attributesOf } from './span-attributes.ts';

/** The body is the line that a file would have; attributes are those of the session's span. */
export function createOtlpAccessLog(logger: Logger, format: string): AccessLog {
  const line = lineOf(format);
  return {
    linesLost: undefined, // the exporter's own metrics have them
    write: (session) => {
      const failure = failureOf(session);
      logger.emit({
        eventName: 'l7mp.session.end',
        timestamp: session.endedAt ?? Date.now(),
        severityNumber: failure === undefined ? SeverityNumber.INFO : SeverityNumber.WARN,
        severityText: failure === undefined ? 'INFO' : 'WARN',
        body: line(session),
        attributes: {
          ...attributesOf(session),
          'l7mp.duration': session.elapsed / 1000,
          ...(failure !== undefined && { 'error.type': failure }),
        },
        ...(session.trace && { context: contextOf(session.trace) }),
      });
    },
    reopen: () => undefined,
    close: () => Promise.resolve(), // the exporter ends with the process
  };
}
