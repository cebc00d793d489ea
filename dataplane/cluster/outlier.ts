/** Passive outlier ejection: an endpoint that fails its sessions is left alone for a while. */
import type { OutlierDetection } from '../../gen/l7mp/config/v1/types.ts';
import type { Endpoint } from './endpoint.ts';

/** Records how a session went. True: the endpoint is ejected now, until its `ejectedUntil`. */
export function recordOutcome(
  endpoint: Endpoint,
  ok: boolean,
  config: OutlierDetection | undefined,
  all: readonly Endpoint[],
  now: number,
): boolean {
  if (ok) {
    endpoint.failures = 0;
    // Well again for as long as it had been ejected: the next ejection is a first one.
    if (endpoint.ejections > 0 && now - endpoint.ejectedUntil > (config?.base_ejection_time ?? 0))
      endpoint.ejections = 0;
    return false;
  }
  endpoint.totalFailures++;
  endpoint.failures++;
  if (config === undefined || endpoint.failures < config.consecutive_failures || endpoint.ejectedUntil > now)
    return false;
  const ejected = all.filter(({ ejectedUntil }) => ejectedUntil > now).length;
  const allowed = Math.max(1, Math.floor((all.length * config.max_ejection_percent) / 100));
  if (ejected >= allowed) return false;
  endpoint.failures = 0;
  endpoint.ejections++;
  endpoint.ejectedUntil = now + Math.min(config.base_ejection_time * endpoint.ejections, config.max_ejection_time);
  return true;
}
