/** Objects as the REST API shows them: l7mp's forms, with more fields beside. */
import type { Cluster, Endpoint, Listener, Route, Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { Plain } from '../core/address.ts';
import type { ConfigObjects } from '../core/config.ts';
import type { SessionView, StageView } from '../core/session.ts';
import type { EndpointState } from './types.ts';

/** What views are made of. */
export interface ViewContext {
  readonly objects: ConfigObjects;
  /** Sub-objects are shown, not named. */
  readonly recursive: boolean;
  /** A spec without its defaults. */
  readonly spec: (message: 'ListenerSpec' | 'ClusterSpec', spec: object) => Plain;
  readonly endpoints: (cluster: string) => readonly EndpointState[];
  readonly addressOf: (listener: string) => string | undefined;
}

/** A reference: the name, or what it names; `x:<STALE>` where there is nothing of the name. */
function refer<T>(
  { recursive }: ViewContext,
  objects: ReadonlyMap<string, { readonly value: T }>,
  name: string,
  view: (value: T) => Plain,
): string | Plain {
  if (!recursive) return name;
  const found = objects.get(name);
  return found === undefined ? `${name}:<STALE>` : view(found.value);
}

export function listenerView(context: ViewContext, { name, spec, rules, options }: Listener): Plain {
  const bound = context.addressOf(name);
  return {
    name,
    spec: context.spec('ListenerSpec', spec),
    rules: refer(context, context.objects.rulelists, rules, (list) => ruleListView(context, list)),
    options,
    ...(bound !== undefined && { bound }),
  };
}

export function clusterView(context: ViewContext, { name, spec, endpoints, loadbalancer, ...more }: Cluster): Plain {
  const { policy, key } = loadbalancer;
  const states = context.endpoints(name);
  return {
    name,
    spec: context.spec('ClusterSpec', spec),
    endpoints: context.recursive ? endpointViews(endpoints, states, name) : states.length,
    loadbalancer: { policy, ...(key !== undefined && { key }) },
    ...(more.health_check && { health_check: more.health_check }),
    ...(more.outlier_detection && { outlier_detection: more.outlier_detection }),
    ...(more.framing !== 'none' && { framing: more.framing }),
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

export function endpointView({ name, spec, weight }: Endpoint, states: readonly EndpointState[]): Plain {
  const { address, port, bind } = spec;
  const resolved = states.filter((state) => state.name === name || state.name.startsWith(`${name}#`));
  return {
    name,
    spec: { ...(address !== undefined && { address }), ...(port > 0 && { port }), ...(bind && { bind }) },
    weight,
    ...(resolved.length > 0 && {
      health: resolved.map(({ health }) => health).join(','),
      sessions: resolved.reduce((sum, { sessions }) => sum + sessions, 0),
    }),
  };
}

export function ruleListView(context: ViewContext, { name, rules }: RuleList): Plain {
  return {
    name,
    rules: rules.map((rule) => refer(context, context.objects.rules, rule, (value) => ruleView(context, value))),
  };
}

export function ruleView(context: ViewContext, { name, match, action }: Rule): Plain {
  const { rewrite, route, apply } = action;
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
    },
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

export function routeView(context: ViewContext, route: Route): Plain {
  const cluster = (name: string): string | Plain =>
    refer(context, context.objects.clusters, name, (value) => clusterView(context, value));
  const { name, destination, destinations, ingress, egress, retry, timeouts, mirrors } = route;
  return {
    name,
    ...(destination !== undefined && { destination: cluster(destination) }),
    ...(destinations.length > 0 && {
      destinations: destinations.map((each) => ({ ...each, cluster: cluster(each.cluster) })),
    }),
    ingress: ingress.map(cluster),
    egress: egress.map(cluster),
    retry,
    timeouts,
    ...(mirrors.length > 0 && { mirrors: mirrors.map((each) => ({ ...each, cluster: cluster(each.cluster) })) }),
  };
}

export function sessionView(context: ViewContext, session: SessionView): Plain {
  const listener = context.objects.listeners.get(session.listener)?.value;
  const { name, metadata, source, destination, ingress, egress, status, events } = session;
  return {
    name,
    metadata,
    source: {
      origin: source.origin,
      listener: listener ? context.spec('ListenerSpec', listener.spec) : {},
      status: source.status,
    },
    destination: destination && stageView(destination),
    ingress: ingress.map(stageView),
    egress: egress.map(stageView),
    status,
    events,
    rulelist: session.rulelist,
    rule: session.rule,
    route: session.route,
    counters: session.counters,
    retries: session.retries,
    started_at: session.startedAt,
    ended_at: session.endedAt,
    reason: session.reason,
  };
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
