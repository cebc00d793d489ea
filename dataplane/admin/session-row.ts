/** A session in short: a row of a table. */
import type { Plain } from '../../common/address.ts';
import { formatEnd } from '../../common/format-address.ts';
import type { SessionView } from '../core/session.ts';

export function sessionRow(session: SessionView): Plain {
  const { id, name, listener, status, destination, counters, rate, startedAt, endedAt, reason, retries } = session;
  const { endpoint } = destination ?? {};
  return {
    id,
    name,
    listener,
    status,
    rule: session.rule ?? '',
    route: session.route ?? '',
    cluster: destination?.origin ?? '',
    endpoint: endpoint === undefined ? '' : formatEnd(endpoint.address, endpoint.port),
    bytes_in: counters.ingress.bytes,
    bytes_out: counters.egress.bytes,
    rate: Math.round(rate),
    started_at: startedAt,
    ended_at: endedAt ?? 0,
    reason: reason ?? '',
    retries,
    path: session.offload.state,
  };
}
