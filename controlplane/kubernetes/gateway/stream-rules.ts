/** The one rule of a TLSRoute, TCPRoute or UDPRoute. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { TCPRoute, TLSRoute, UDPRoute } from '../api/gateway-kinds.ts';
import { destinationsOf, policyMirrors } from './destinations.ts';
import type { Making } from './making.ts';
import { fullName } from '../api/order.ts';
import { ruleScope } from './policy-scopes.ts';

export type StreamRoute = TLSRoute | TCPRoute | UDPRoute;

/** What a session gets that has nowhere to go; only a WebSocket, as it opens, can hear the status. */
const NOWHERE: Json = { status: 503 };

/** What becomes of the sessions of a route; `raw` where they pass as they are, TLS and all. */
export function streamAction(making: Making, route: StreamRoute, raw: boolean): Record<string, Json> {
  const rules = route.spec?.rules ?? [];
  const refs = rules.flatMap(({ backendRefs = [] }) => backendRefs);
  const { policies, scope } = making;
  const rule = ruleScope(policies, scope, route, rules[0] ?? {}, 0);
  const within = { ...making, rule };
  const destinations = destinationsOf(within, route, refs, NOWHERE, undefined, raw);
  if (destinations === undefined) return { respond: NOWHERE };
  const parts = [route.kind.toLowerCase(), fullName(route), ...(raw ? ['passthrough'] : []), ...scope.parts];
  const mirrors = policyMirrors(within, route);
  const add = (): Record<string, Json> => ({ ...destinations, ...rule.fields, ...(mirrors.length > 0 && { mirrors }) });
  return { route: making.output.add('Route', route, parts, add) };
}
