/** Which sessions have failed, wherever that is told: in spans, the access log, the topology. */
import type { ErrorCode } from '../../common/errors.ts';
import { grpcStatusName, isGrpcFailure } from './grpc-status.ts';
import type { SessionView } from './session.ts';

/** Ends that somebody wanted, or that sessions without an end of their own always have. */
const IN_ORDER: ReadonlySet<ErrorCode | 'OK'> = new Set([
  'OK',
  'RESPONDED',
  'IDLE_TIMEOUT',
  'SESSION_TIMEOUT',
  'LISTENER_CLOSED',
  'DELETED',
  'DRAINED',
]);

/**
 * What it failed with: the code that it ended with, or the status of an answer of 500 and above, or of gRPC by its name,
 * as OpenTelemetry's conventions have it for servers. Undefined: it did not.
 */
export function failureOf({
  reason = 'OK',
  httpStatus,
  grpcStatus,
}: Pick<SessionView, 'reason' | 'httpStatus' | 'grpcStatus'>): string | undefined {
  if (httpStatus !== undefined && httpStatus >= 500) return reason === 'OK' ? String(httpStatus) : reason;
  if (grpcStatus !== undefined && isGrpcFailure(grpcStatus))
    return reason === 'OK' ? grpcStatusName(grpcStatus) : reason;
  // An HTTP client that was answered below 500 has what it asked for, whatever was said of its session.
  const isClientsOwn = httpStatus !== undefined && httpStatus >= 400;
  return IN_ORDER.has(reason) || isClientsOwn ? undefined : reason;
}
