/** Rules that look at hostnames: of requests, or of TLS. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Making } from './making.ts';
import { ANY, bySpecificity, covers } from './hostnames.ts';
import { addHttpList } from './http-rules.ts';
import { groupBy } from '../api/order.ts';
import { listenerScope } from './policy-scopes.ts';
import type { ListenerState } from './state.ts';
import { streamAction, type StreamRoute } from './stream-rules.ts';

/** Where a session's metadata have the hostname that it is for. */
export interface HostField {
  /** A predicate that holds for a hostname, and for what a wildcard stands for. */
  match(hostname: string): Json;
}

export const HTTP_HOST = hostField('/HTTP/url/host');
export const SERVER_NAME = hostField('/TLS/sni');

function hostField(path: string): HostField {
  return {
    match(hostname) {
      if (hostname === ANY) return { op: 'defined', path };
      const wild = hostname.startsWith('*.');
      return { op: wild ? 'ends' : 'test', path, value: wild ? hostname.slice(1) : hostname, ignore_case: true };
    },
  };
}

/** The rules of a listener: for each hostname of its routes, the most specific first, those of the routes that have it. */
export function hostRules(of: Making, parts: readonly string[], listener: ListenerState, field: HostField): Json[] {
  const making = { ...of, scope: listenerScope(of, listener) };
  const routes = listener.attached.flatMap(({ route, hostnames }) =>
    hostnames.map((hostname) => ({ hostname, route })),
  );
  const byHostname = [...groupBy(routes, ({ hostname }) => hostname)];
  return byHostname
    .sort(([one], [other]) => bySpecificity(one, other))
    .map(([hostname, found]): Json => {
      const action =
        field === HTTP_HOST
          ? {
              apply: addHttpList(
                making,
                [...parts, hostname],
                found.map(({ route }) => route),
              ),
            }
          : streamAction(making, found[0]?.route as StreamRoute, listener.passthrough);
      // A listener that is for one name only has asked for it.
      return hostname === listener.hostname ? { action } : { match: field.match(hostname), action };
    });
}

/**
 * A rule for requests on a connection whose server name chose another listener: its certificate, and what was asked of the
 * client, are not this one's (RFC 9110, section 15.5.20).
 */
export function misdirected(hostname: string, all: readonly string[]): Json[] {
  if (all.length === 1) return [];
  const narrower = all.filter((other) => other !== hostname && covers(hostname, other));
  const wrong = narrower.map((name) => SERVER_NAME.match(name));
  if (hostname !== ANY) wrong.unshift({ op: 'not', apply: [SERVER_NAME.match(hostname)] });
  if (wrong.length === 0) return [];
  const named = SERVER_NAME.match(ANY);
  const match = { op: 'and', apply: [named, wrong.length === 1 ? wrong[0] : { op: 'or', apply: wrong }] };
  return [{ match: match as Json, action: { respond: { status: 421 } } }];
}
