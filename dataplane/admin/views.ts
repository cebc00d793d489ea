/** Objects as the REST API shows them: l7mp's forms, with more fields beside. */
import type {
  Cluster,
  Endpoint,
  Listener,
  Persistence,
  Route,
  Rule,
  RuleList,
} from '../../gen/l7mp/config/v1/types.ts';
import type { Plain } from '../../common/address.ts';
import { withAssigned } from '../core/assigned.ts';
import type { ConfigSnapshot, Kind } from '../../config/snapshot.ts';
import { LIST_OF } from '../../config/kinds.ts';
import type { FlowTraffic } from '../core/offload.ts';
import type { SessionView, StageView } from '../core/session.ts';
import { without } from './body.ts';
import type { AdminDependencies, EndpointState } from './types.ts';

/** What views are made of. */
export interface ViewContext {
  readonly objects: ConfigSnapshot;
  /** Sub-objects are shown, not named. */
  readonly recursive: boolean;
  readonly spec: AdminDependencies['compactSpec'];
  readonly cluster: AdminDependencies['plainCluster'];
  readonly endpoints: AdminDependencies['endpoints'];
  readonly addressOf: AdminDependencies['addressOf'];
  readonly overflowOf: AdminDependencies['overflowOf'];
  readonly servingOf: AdminDependencies['servingOf'];
  readonly limit: Limit;
}

/** Lists that apply lists that apply lists … can stand for more than fits into memory. */
interface Limit {
  /** Sub-objects that may still be shown. */
  objects: number;
  /** Levels that may still be shown. */
  levels: number;
}

const MAX_OBJECTS = 100_000;
const MAX_LEVELS = 32;

export function createViewContext(dependencies: AdminDependencies, recursive: boolean): ViewContext {
  const { sink, compactSpec, plainCluster, endpoints, addressOf, overflowOf, servingOf } = dependencies;
  return {
    objects: sink.snapshot,
    recursive,
    spec: compactSpec,
    cluster: plainCluster,
    endpoints,
    addressOf,
    overflowOf,
    servingOf,
    limit: { objects: MAX_OBJECTS, levels: MAX_LEVELS },
  };
}

/** Who wrote an object, where it wasn't the proxy's own configuration; and how it fares, where it does not serve. */
function fateOf({ objects, servingOf }: ViewContext, kind: Kind, name: string): Plain {
  const source = objects[LIST_OF[kind]].get(name)?.source;
  const { state, reason } = servingOf(kind, name) ?? {};
  return {
    ...(source === 'controlplane' && { source }),
    ...(state !== undefined && state !== 'serving' && { state, ...(reason !== undefined && { reason }) }),
  };
}

/**
 * A reference: the name, or what it names; `x:<STALE>` where there is nothing of the name. Beyond the limits it is the
 * name again.
 */
function refer<T>(
  { recursive, limit }: ViewContext,
  objects: ReadonlyMap<string, { readonly value: T }>,
  name: string,
  view: (value: T) => Plain,
): string | Plain {
  if (!recursive) return name;
  const found = objects.get(name);
  if (found === undefined) return `${name}:<STALE>`;
  if (limit.levels === 0 || limit.objects === 0) return name;
  limit.objects--;
  limit.levels--;
  const shown = view(found.value);
  limit.levels++;
  return shown;
}

export function listenerView(context: ViewContext, { name, spec, rules, options }: Listener): Plain {
  const bound = context.addressOf(name);
  const overflow = context.overflowOf(name);
  return {
    name,
    spec: context.spec('ListenerSpec', spec),
    rules: refer(context, context.objects.rulelists, rules, (list) => ruleListView(context, list)),
    options,
    ...(bound !== undefined && { bound }),
    ...(overflow !== undefined && { overflow }),
    ...fateOf(context, 'Listener', name),
  };
}

export function clusterView(context: ViewContext, cluster: Cluster): Plain {
  const { name, loadbalancer, persistence } = cluster;
  const { endpoints } = withAssigned(cluster, context.objects);
  const plain = context.cluster(cluster);
  const shown = endpointViews(endpoints, context.endpoints(name), name);
  const { policy, key } = loadbalancer;
  const random = key === undefined && ['HashRing', 'ConsistentHash', 'Maglev'].includes(policy);
  return {
    ...plain,
    endpoints: context.recursive ? shown : shown.length,
    loadbalancer: { policy, ...(random && { key: '<RANDOM>' }), ...(plain['loadbalancer'] as Plain | undefined) },
    ...(persistence && { persistence: withoutKey(persistence) }),
    ...fateOf(context, 'Cluster', name),
  };
}

/** A cluster without a network has one endpoint, of no address. */
export function endpointViews(
  endpoints: readonly Endpoint[],
  states: readonly EndpointState[],
  cluster: string,
): Plain[] {
  if (endpoints.length === 0) return states.length === 0 ? [] : [{ name: cluster, spec: { address: '<VIRTUAL>' } }];
  return endpoints.map((endpoint) => endpointView(endpoint, states));
}

/** `resolved`: what it is now, or, where DNS gives several addresses, what they are. */
export function endpointView({ name, spec, weight }: Endpoint, states: readonly EndpointState[]): Plain {
  const { address, port, bind } = spec;
  const resolved = states.filter((state) => state.name === name || state.name.startsWith(`${name}#`));
  return {
    name,
    spec: { ...(address !== undefined && { address }), ...(port > 0 && { port }), ...(bind && { bind }) },
    weight,
    resolved: resolved.map((state) => ({
      address: state.address,
      port: state.port,
      health: state.health,
      sessions: state.sessions,
      total_sessions: state.totalSessions,
      total_failures: state.totalFailures,
    })),
  };
}

export function ruleListView(context: ViewContext, { name, rules }: RuleList): Plain {
  return {
    name,
    rules: rules.map((rule) => refer(context, context.objects.rules, rule, (value) => ruleView(context, value))),
    ...fateOf(context, 'RuleList', name),
  };
}

export function ruleView(context: ViewContext, { name, match, action }: Rule): Plain {
  const { rewrite, route, apply, respond, redirect } = action;
  return {
    name,
    match: match?.op === undefined ? { match: '*' } : predicate(match),
    action: {
      ...(rewrite.length > 0 && { rewrite }),
      ...(route !== undefined && {
        route: refer(context, context.objects.routes, route, (value) => routeView(context, value)),
      }),
      ...(apply !== undefined && {
        apply: refer(context, context.objects.rulelists, apply, (value) => ruleListView(context, value)),
      }),
      ...(respond && { respond }),
      ...(redirect && { redirect }),
    },
    ...fateOf(context, 'Rule', name),
  };
}

function predicate({ op, path, value, ignore_case, apply }: NonNullable<Rule['match']>): Plain {
  return {
    op,
    ...(path !== undefined && { path }),
    ...(value !== undefined && { value }),
    ...(ignore_case && { ignore_case }),
    ...(apply.length > 0 && { apply: apply.map(predicate) }),
  };
}

/** What tokens are encrypted with is shown to nobody. */
function withoutKey({ key: _, ...shown }: Persistence): Plain {
  return shown;
}

export function routeView(context: ViewContext, route: Route): Plain {
  const cluster = (name: string): string | Plain =>
    refer(context, context.objects.clusters, name, (value) => clusterView(context, value));
  const { name, destination, destinations, ingress, egress, retry, timeouts, mirrors } = route;
  const { response_headers, cors, fault, limits, persistence } = route;
  return {
    name,
    ...(destination !== undefined && { destination: cluster(destination) }),
    ...(destinations.length > 0 && {
      destinations: destinations.map(({ cluster: name, rewrite, ...each }) => ({
        ...each,
        ...(name !== undefined && { cluster: cluster(name) }),
        ...(rewrite.length > 0 && { rewrite }),
      })),
    }),
    ingress: ingress.map(cluster),
    egress: egress.map(cluster),
    retry,
    timeouts,
    ...(mirrors.length > 0 && { mirrors: mirrors.map((each) => ({ ...each, cluster: cluster(each.cluster) })) }),
    ...(response_headers && { response_headers }),
    ...(cors && { cors }),
    ...(fault && { fault }),
    ...(limits && { limits }),
    ...(persistence && { persistence: withoutKey(persistence) }),
    ...fateOf(context, 'Route', name),
  };
}

export function sessionView(context: ViewContext, session: SessionView): Plain {
  const listener = context.objects.listeners.get(session.listener)?.value;
  const { metadata, source, destination, ingress, egress, counters, kernelTraffic, reason, endedAt } = session;
  return {
    id: session.id,
    name: session.name,
    metadata: without(metadata, 'name'), // it stands beside
    source: {
      origin: source.origin,
      listener: listener ? context.spec('ListenerSpec', listener.spec) : '<INVALID>',
      status: source.status,
    },
    destination: destination && stageView(destination),
    ingress: ingress.map(stageView),
    egress: egress.map(stageView),
    status: session.status,
    events: session.events.map(({ event, timestamp, message, content }) => ({
      event,
      timestamp: new Date(timestamp).toISOString(),
      message,
      content: content ?? '',
    })),
    rulelist: session.rulelist,
    rule: session.rule,
    route: session.route,
    counters,
    offload: { ...session.offload, ...(kernelTraffic && { traffic: kernelTraffic }) },
    rate: Math.round(session.rate),
    rates: { ingress: rateView(session.rates.ingress), egress: rateView(session.rates.egress) },
    retries: session.retries,
    started_at: session.startedAt,
    ended_at: endedAt,
    reason,
  };
}

/** A second. */
export function rateView({ bytes, packets }: FlowTraffic): Plain {
  return { bytes: Math.round(bytes), packets: Math.round(packets) };
}

function stageView({ origin, endpoint, status, attempts }: StageView): Plain {
  return {
    origin,
    endpoint: endpoint && {
      name: endpoint.name,
      spec: { address: endpoint.address || '<VIRTUAL>', ...(endpoint.port ? { port: endpoint.port } : {}) },
    },
    status,
    attempts,
  };
}
