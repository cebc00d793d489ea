/** What of a route we can't do. */
import type { AnyRoute, GRPCRoute, HTTPRoute } from '../api/gateway-kinds.ts';
import { ruleFaults } from './http-rules.ts';
import { joined, type Verdict } from '../api/verdict.ts';

export interface Unsupported {
  readonly faults?: Verdict;
  /** Whether nothing is left of it. */
  readonly all: boolean;
}

export function unsupportedOf(route: AnyRoute): Unsupported {
  if (!isHttp(route)) return { all: false };
  const found = (route.spec?.rules ?? []).map((_, index) => ruleFaults(route, index));
  const messages = found.flatMap((faults, index) => faults.map((fault) => `rules[${index}].${fault}`));
  const faults = joined(messages.map((message) => ({ reason: 'UnsupportedValue', message })));
  return { ...(faults && { faults }), all: faults !== undefined && found.every((one) => one.length > 0) };
}

function isHttp(route: AnyRoute): route is HTTPRoute | GRPCRoute {
  return route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
}
