/** What the discovery service has to know of types: their order, and how their absence is told. */
import { typeUrlOf, WIRE_KINDS } from '../../config/wire-kinds.ts';
import { ENVOY_TYPES, particularsOf } from '../model/resource-types.ts';

/** Make before break (rule 7): what others refer to comes first. Types that are not named here come last, by name. */
const ORDER: readonly string[] = [
  ...WIRE_KINDS.map(typeUrlOf),
  ENVOY_TYPES.Secret,
  ENVOY_TYPES.Cluster,
  ENVOY_TYPES.ClusterLoadAssignment,
  ENVOY_TYPES.Listener,
  'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
];

const RANKS = new Map(ORDER.map((typeUrl, rank) => [typeUrl, rank]));

export interface TypeTraits {
  readonly rank: number;
  /** Its removals come after everything else (rule 7). */
  readonly removedLast: boolean;
  /** State of the world: a response is all there is, and what it lacks is gone (rule 10). */
  readonly fullState: boolean;
  /** Clusters wait for it: it is sent again after a reconnect when it is named (rule 8). */
  readonly endpoints: boolean;
}

export function traitsOf(typeUrl: string): TypeTraits {
  const { referredTo, fullState, endpoints } = particularsOf(typeUrl);
  return {
    rank: RANKS.get(typeUrl) ?? ORDER.length,
    removedLast: referredTo,
    fullState,
    endpoints,
  };
}

/** Orders type URLs as pushes are ordered. */
export function compareTypes(left: string, right: string): number {
  const difference = traitsOf(left).rank - traitsOf(right).rank;
  if (difference !== 0) return difference;
  return left < right ? -1 : Number(left > right);
}
