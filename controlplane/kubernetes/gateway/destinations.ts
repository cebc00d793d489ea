/** Where a rule's sessions go: clusters by weight, and for the share of backends that lead nowhere an answer that says so. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { AnyRoute, BackendReference } from '../api/gateway-kinds.ts';
import type { Backends } from './backends.ts';
import { addCluster } from './clusters.ts';
import type { Output } from './output.ts';
import type { GatewayState } from './state.ts';
import type { ServiceSettings } from '../api/service-settings.ts';
import type { TelemetrySettings } from '../api/telemetry-settings.ts';
import type { Usage } from './usage.ts';

/** What routes of one Gateway are made with. */
export interface Making {
  readonly gateway: GatewayState;
  readonly output: Output;
  readonly backends: Backends;
  readonly usage: Usage;
  readonly settingsOf: ServiceSettings;
  readonly telemetryOf: TelemetrySettings;
  /** Rules that are made already: several listeners have the same routes. */
  readonly made: Map<AnyRoute, readonly RankedRule[]>;
}

/** A rule of the proxy, and where it stands in the order in which rules are asked (see `byRank`). */
export interface RankedRule {
  readonly name: string;
  readonly rank: readonly number[];
}

/** Which changes a backend makes of its own. */
export type BackendExtras<Ref> = (ref: Ref) => Record<string, Json>;

/**
 * The `destination` or `destinations` of a route; undefined where nothing is left to go to. `failure` is the answer of a
 * share that has no backend, `raw` as in `addCluster`.
 */
export function destinationsOf<Ref extends BackendReference>(
  making: Making,
  route: AnyRoute,
  refs: readonly Ref[],
  failure: Json,
  extras: BackendExtras<Ref> = () => ({}),
  raw = false,
): Record<string, Json> | undefined {
  const found = refs
    .filter(({ weight = 1 }) => weight > 0)
    .map((ref) => {
      const cluster = clusterOf(making, route, ref, raw);
      const weight = ref.weight ?? 1;
      if (cluster === undefined) return { respond: failure, weight };
      return { cluster, weight, ...extras(ref) };
    });
  if (!found.some((entry) => 'cluster' in entry)) return undefined;
  const [first] = found;
  if (found.length === 1 && first !== undefined && 'cluster' in first && Object.keys(first).length === 2) {
    return { destination: first.cluster };
  }
  return { destinations: found };
}

/** The cluster of a backend; undefined where it can't be spoken to. */
export function clusterOf(
  { gateway, output, backends, usage, settingsOf }: Making,
  route: AnyRoute,
  ref: BackendReference,
  raw = false,
): string | undefined {
  const resolved = backends.resolve(route, ref);
  const service = resolved.fault === undefined ? resolved.backend.service : resolved.service;
  if (service !== undefined) usage.note(gateway.gateway, service);
  if (resolved.fault !== undefined) return undefined;
  // Nothing is sent in the clear, or to somebody else, because a policy could not be read (GEP-1897).
  if (!raw && resolved.backend.policy?.refused !== undefined) return undefined;
  return addCluster(output, gateway, resolved.backend, settingsOf, raw);
}
