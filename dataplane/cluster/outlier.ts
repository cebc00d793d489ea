/** Passive outlier ejection: an endpoint that fails its sessions is left alone for a while. */
import type { OutlierDetection } from '../../gen/l7mp/config/v1/types.ts';
import type { ErrorCode } from '../../common/errors.ts';
import type { Endpoint } from './endpoint.ts';

/** What speaks against an endpoint. Want of our own descriptors, ports or room, and what sessions do, don't. */
const FAULTS: ReadonlySet<ErrorCode> = new Set([
  'CHILD_EXITED',
  'CONNECT_FAILED',
  'CONNECT_REFUSED',
  'CONNECT_TIMEOUT',
  'NOT_FOUND',
  'PEER_CLOSED',
  'PEER_RESET',
  'PERMISSION_DENIED',
  'PROTOCOL_ERROR',
  'RESPONSE_TIMEOUT',
  'TLS_FAILED',
  'UNREACHABLE',
]);

/** Whether an error is the endpoint's fault. */
export function isFault(code: ErrorCode): boolean {
  return FAULTS.has(code);
}

/** Records a session that went well. */
export function recordSuccess(endpoint: Endpoint): void {
  endpoint.failures = 0;
}

/**
 * Records a session that the endpoint failed. Gives how long the endpoint is to be ejected, in ms; 0 is not at all.
 *
 * The nth ejection lasts n times the first. An endpoint that then did without one for as long as the last one lasted
 * starts again at the first.
 */
export function recordFailure(
  endpoint: Endpoint,
  config: OutlierDetection | undefined,
  all: readonly Endpoint[],
  now: number,
): number {
  endpoint.totalFailures++;
  endpoint.failures++;
  if (config === undefined || endpoint.ejection !== undefined) return 0;
  if (endpoint.failures < config.consecutive_failures) return 0;
  const ejected = all.filter(({ ejection }) => ejection !== undefined).length;
  const allowed = Math.max(1, Math.floor((all.length * config.max_ejection_percent) / 100));
  if (ejected >= allowed || !all.includes(endpoint)) return 0;
  const lasting = (ejections: number): number =>
    Math.min(config.base_ejection_time * ejections, config.max_ejection_time);
  const wellFor = now - endpoint.ejectedUntil;
  endpoint.ejections = wellFor > lasting(endpoint.ejections) ? 1 : endpoint.ejections + 1;
  endpoint.failures = 0;
  const duration = lasting(endpoint.ejections);
  endpoint.ejectedUntil = now + duration;
  return duration;
}
