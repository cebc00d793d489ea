/** Rules of HTTPRoutes and GRPCRoutes: for each match a rule of the proxy, for all of a rule's one route. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { LONGEST_TIMER } from '../../../common/timer.ts';
import type {
  AnyRoute,
  FilteredBackend,
  GRPCRoute,
  GRPCRouteRule,
  HTTPRoute,
  HTTPRouteRule,
} from '../api/gateway-kinds.ts';
import { clusterOf, destinationsOf, policyMirrors } from './destinations.ts';
import type { Making, RankedRule, RuleMaking } from './making.ts';
import { parseDuration } from '../api/durations.ts';
import { type Effects, readFilters } from './http-filters.ts';
import { byRank, grpcMatches, httpMatches, type Matches, type RankedMatch } from './http-matches.ts';
import { fullName } from '../api/order.ts';
import { ruleScope } from './policy-scopes.ts';
import { addRuleList } from './rule-lists.ts';
import { readPersistence } from './session-persistence.ts';

/** What a rule says, checked. */
interface ReadRule {
  readonly matches: Matches;
  readonly effects: Effects;
  readonly limits: Record<string, Json>;
  readonly persistence?: Json;
  readonly faults: readonly string[];
}

const read = new WeakMap<object, ReadRule>();

/** What can't be done of a rule: requests that it is for get an error instead. */
export function ruleFaults(route: HTTPRoute | GRPCRoute, index: number): readonly string[] {
  const rule = route.spec?.rules?.[index];
  return rule === undefined ? [] : readRule(route, rule).faults;
}

function readRule({ kind }: AnyRoute, rule: HTTPRouteRule | GRPCRouteRule): ReadRule {
  let found = read.get(rule);
  if (found !== undefined) return found;
  const matches =
    kind === 'GRPCRoute' ? grpcMatches((rule as GRPCRouteRule).matches) : httpMatches((rule as HTTPRouteRule).matches);
  const effects = readFilters(rule.filters, 'rule');
  const { limits, faults } = kind === 'GRPCRoute' ? { limits: {}, faults: [] } : limitsOf(rule as HTTPRouteRule);
  const backendFaults = (rule.backendRefs ?? []).flatMap(({ filters }, index) =>
    readFilters(filters, 'backend').faults.map((fault) => `backendRefs[${index}].${fault}`),
  );
  const persistence = readPersistence(rule);
  found = {
    matches,
    effects,
    limits,
    ...(persistence.value !== undefined && { persistence: persistence.value }),
    faults: [...matches.faults, ...effects.faults, ...backendFaults, ...faults, ...persistence.faults],
  };
  read.set(rule, found);
  return found;
}

/** `timeouts` and `retry` of a route. */
function limitsOf({ timeouts = {}, retry }: HTTPRouteRule): { limits: Record<string, Json>; faults: string[] } {
  const faults: string[] = [];
  const duration = (path: string, text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const ms = parseDuration(text);
    if (ms === undefined) faults.push(`${path}: expected a duration, as in 500ms, found ${JSON.stringify(text)}`);
    return ms === undefined ? undefined : Math.min(ms, LONGEST_TIMER);
  };
  const session = duration('timeouts.request', timeouts.request);
  const attempt = duration('timeouts.backendRequest', timeouts.backendRequest);
  const backoff = duration('retry.backoff', retry?.backoff);
  const { codes = [], attempts } = retry ?? {};
  const times = { ...(session !== undefined && { session }), ...(attempt !== undefined && { attempt }) };
  const limits = {
    ...(Object.keys(times).length > 0 && { timeouts: times }),
    ...(retry !== undefined && {
      retry: {
        // Where a rule has a retry, failed connections are tried again, too (GEP-1731).
        retry_on: 'always',
        ...(attempts !== undefined && { num_retries: attempts }),
        ...(codes.length > 0 && { statuses: [...codes] }),
        ...(backoff !== undefined && backoff > 0 && { backoff }),
      },
    }),
  };
  return { limits, faults };
}

/** Adds a list of the rules of routes, which come in the order of their age: of rules with the same rank the older goes first. */
export function addHttpList(
  making: Making,
  parts: readonly string[],
  routes: readonly (HTTPRoute | GRPCRoute)[],
): string {
  const rules = routes.flatMap((route) => addHttpRules(making, route));
  rules.sort((one, other) => byRank(one.rank, other.rank));
  return addRuleList(
    making,
    parts,
    rules.map((rule) => rule.name),
  );
}

function addHttpRules(making: Making, route: HTTPRoute | GRPCRoute): readonly RankedRule[] {
  const key = [route.kind, fullName(route), ...making.scope.parts].join(' ');
  const made = making.made.get(key) ?? makeRules(making, route);
  making.made.set(key, made);
  return made;
}

function makeRules(making: Making, route: HTTPRoute | GRPCRoute): RankedRule[] {
  return (route.spec?.rules ?? []).flatMap((rule, index) => {
    const { matches, effects, limits, persistence, faults } = readRule(route, rule);
    // Nobody knows which requests are meant.
    if (matches.faults.length > 0) return [];
    const { policies, scope } = making;
    const parts = [route.kind.toLowerCase(), fullName(route), String(index), ...scope.parts];
    const within = { ...making, rule: ruleScope(policies, scope, route, rule, index, persistence) };
    const action = faults.length > 0 ? fail(route) : actionOf(within, route, rule, parts, effects, limits);
    return matches.matches.map((ranked, place): RankedRule => {
      const name = making.output.add('Rule', route, [...parts, String(place)], () => ({
        ...(ranked.match !== undefined && { match: ranked.match }),
        action: action(ranked),
      }));
      return { name, rank: ranked.rank };
    });
  });
}

type Action = (match: RankedMatch) => Json;

function actionOf(
  making: RuleMaking,
  route: HTTPRoute | GRPCRoute,
  { backendRefs = [] }: HTTPRouteRule | GRPCRouteRule,
  parts: readonly string[],
  effects: Effects,
  limits: Record<string, Json>,
): Action {
  const { redirect, responseHeaders, mirrors, cors } = effects;
  if (redirect !== undefined) return ({ prefix }) => ({ redirect: redirect(prefix) });
  const failure = failureOf(route);
  const destinations = destinationsOf(making, route, backendRefs, failure, extrasOf);
  const own = mirrors.flatMap(({ ref, percent }): Json[] => {
    const cluster = clusterOf(making, route, ref);
    return cluster === undefined ? [] : [{ cluster, percent }];
  });
  // What a rule says itself counts more than what policies say, field by field.
  const copies = mirrors.length > 0 ? own : policyMirrors(making, route);
  const { fields } = making.rule;
  const timeouts = { ...(fields['timeouts'] as object | undefined), ...(limits['timeouts'] as object | undefined) };
  if (destinations === undefined) return fail(route);
  const name = making.output.add('Route', route, parts, () => ({
    ...destinations,
    ...fields,
    ...limits,
    ...(Object.keys(timeouts).length > 0 && { timeouts }),
    ...(copies.length > 0 && { mirrors: copies }),
    ...(responseHeaders !== undefined && { response_headers: responseHeaders }),
    ...(cors !== undefined && { cors }),
  }));
  return ({ prefix }) => {
    const rewrite = effects.rewrite(prefix);
    return { ...(rewrite.length > 0 && { rewrite }), route: name };
  };
}

function extrasOf({ filters }: FilteredBackend): Record<string, Json> {
  const { rewrite, responseHeaders } = readFilters(filters, 'backend');
  const rewrites = rewrite(undefined);
  return {
    ...(rewrites.length > 0 && { rewrite: rewrites }),
    ...(responseHeaders !== undefined && { response_headers: responseHeaders }),
  };
}

function fail(route: AnyRoute): Action {
  return () => ({ respond: failureOf(route) });
}

/** What a client gets whose backend is invalid: 500, or for gRPC UNAVAILABLE. */
function failureOf({ kind }: AnyRoute): Json {
  if (kind !== 'GRPCRoute') return { status: 500 };
  const headers = { 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'no backend' };
  return { status: 200, headers };
}
