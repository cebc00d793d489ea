/**
 * Whose policies count where: what is said of the one behind counts more than what is said of the one before.
 *
 *     Gateway ─> ListenerSet ─> listener ─> Service ─> port ─> route ─> rule
 *
 * What policies of a listener or a rule change is made for that one alone, under a name of its own.
 */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { canonicalJson, shortHash } from '../../model/canonical.ts';
import type { Service, ServicePort } from '../api/core-kinds.ts';
import type { AnyRoute } from '../api/gateway-kinds.ts';
import type { KubeObject } from '../api/object.ts';
import { fullName } from '../api/order.ts';
import { type MirrorWish, type Policies, type PolicyTarget, targetsOf } from '../api/policies.ts';
import { secretOf, serviceSettings, withKey } from '../api/service-settings.ts';
import type { GatewayState, ListenerState } from './state.ts';

/** What is made for listeners of a Gateway that policies say the same of. */
export interface Scope {
  /** The less specific first. */
  readonly targets: readonly PolicyTarget[];
  /** Stands in the names of what is made for it; empty: what policies say of the whole Gateway. */
  readonly parts: readonly string[];
}

/** What is said of one rule of a route, where it is reached by one scope. */
export interface RuleScope {
  readonly scope: Scope;
  readonly own: readonly PolicyTarget[];
  /** Fields of the route. */
  readonly fields: Readonly<Record<string, Json>>;
  readonly mirrors: readonly MirrorWish[];
}

export function gatewayScope({ gateway }: GatewayState): Scope {
  return { targets: targetsOf(gateway, undefined), parts: [] };
}

/** The Gateway's own where no policy says more of the listener. */
export function listenerScope(
  { policies, owner: gateway, scope: whole }: { policies: Policies; owner: KubeObject; scope: Scope },
  { owner, spec }: ListenerState,
): Scope {
  const targets = targetsOf(owner, spec.name).slice(owner === gateway ? 1 : 0);
  const { cluster, route, mirrors } = policies.traffic(targets);
  if (Object.keys(cluster).length + Object.keys(route).length === 0 && mirrors === undefined) return whole;
  return {
    targets: [...whole.targets, ...targets],
    parts: [owner.kind.toLowerCase(), fullName(owner), spec.name],
  };
}

/** `inline` is the rule's own `persistence`. */
export function ruleScope(
  policies: Policies,
  scope: Scope,
  route: AnyRoute,
  { name = '' }: { readonly name?: string },
  index: number,
  inline?: Json,
): RuleScope {
  const own = targetsOf(route, name);
  const { route: fields, mirrors = [] } = policies.traffic([...scope.targets, ...own]);
  const persistence = inline ?? policies.traffic(own).cluster['persistence'];
  // A rule that has a name is the same one wherever it stands.
  const part = name === '' ? String(index) : name;
  const isOfRule = inline !== undefined || policies.traffic(own.slice(1)).cluster['persistence'] !== undefined;
  return {
    scope,
    own,
    mirrors,
    fields: {
      ...fields,
      ...(persistence !== undefined && { persistence: persistenceOf(persistence, route, part, isOfRule) }),
    },
  };
}

/** Rules don't share what their clients are told (GEP-1619): what is said of several has another name in each. */
function persistenceOf(persistence: Json, route: AnyRoute, part: string, isOfRule: boolean): Json {
  const { name } = persistence as { readonly name?: string };
  const suffix = secretOf(route, `${part} name`).toString('hex').slice(0, 8);
  const named = isOfRule && name !== undefined ? name : `${name ?? 'l7mp'}-${suffix}`;
  return withKey({ ...(persistence as object), name: named }, route, part);
}

/** What the cluster of a Service's port has, and what its name says of whom it is for. */
export function clusterScope(
  policies: Policies,
  { scope, own }: RuleScope,
  service: Service,
  port: ServicePort,
): { readonly settings: Readonly<Record<string, Json>>; readonly parts: readonly string[] } {
  const [gateway, ...narrower] = scope.targets;
  const standard = serviceSettings(policies, service, port, gateway ? [gateway] : []);
  const said = policies.traffic([...narrower, ...own]).cluster;
  if (Object.keys(said).length === 0) return { settings: standard, parts: [] };
  const settings = serviceSettings(policies, service, port, scope.targets, own);
  // What the route says of it, it says by itself.
  const { persistence } = serviceSettings(policies, service, port, scope.targets);
  const mine = { ...withoutPersistence(settings), ...(persistence !== undefined && { persistence }) };
  if (canonicalJson(mine) === canonicalJson(standard)) return { settings: standard, parts: [] };
  return { settings: mine, parts: [`policy-${shortHash(JSON.stringify(mine))}`] };
}

function withoutPersistence({
  persistence: _,
  ...rest
}: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  return rest;
}
