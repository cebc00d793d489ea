/** What the discovery service has to know of types: their order, and how their absence is told. */
import { typeUrlOf, WIRE_KINDS, type WireKind } from '../../config/wire-kinds.ts';
import { ENDPOINTS } from '../model/resource-types.ts';

const ENVOY = 'type.googleapis.com/envoy.config.';

/** Make before break (rule 7): what others refer to comes first. Types that are not named here come last, by name. */
const ORDER: readonly string[] = [
  ...WIRE_KINDS.map(typeUrlOf),
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  `${ENVOY}cluster.v3.Cluster`,
  `${ENVOY}endpoint.v3.ClusterLoadAssignment`,
  `${ENVOY}listener.v3.Listener`,
  `${ENVOY}route.v3.ScopedRouteConfiguration`,
  `${ENVOY}route.v3.RouteConfiguration`,
];

const RANKS = new Map(ORDER.map((typeUrl, rank) => [typeUrl, rank]));

/** Types of a kind, ours and Envoy's. */
function typesOf(...kinds: readonly WireKind[]): ReadonlySet<string> {
  return new Set(ORDER.filter((typeUrl) => kinds.some((kind) => typeUrl.endsWith(`.${kind}`))));
}

const REFERRED_TO = typesOf('Secret', 'Cluster', 'ClusterLoadAssignment');
const FULL_STATE = typesOf('Listener', 'Cluster');

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
  return {
    rank: RANKS.get(typeUrl) ?? ORDER.length,
    removedLast: REFERRED_TO.has(typeUrl),
    fullState: FULL_STATE.has(typeUrl),
    endpoints: ENDPOINTS.has(typeUrl),
  };
}

/** Orders type URLs as pushes are ordered. */
export function compareTypes(left: string, right: string): number {
  const difference = traitsOf(left).rank - traitsOf(right).rank;
  if (difference !== 0) return difference;
  return left < right ? -1 : Number(left > right);
}
