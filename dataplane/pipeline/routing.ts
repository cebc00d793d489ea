/** Finds the route of a session: rules in order, `apply` into other lists, rewrites on the way. */
import type { Destination, Route, Rule, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import { ProxyError } from '../../common/errors.ts';
import { Answered } from '../core/answer.ts';
import type { SessionNote } from '../core/offload.ts';
import type { Metadata } from '../core/session.ts';
import { predicateOf } from './match.ts';
import type { Visit } from './persistence.ts';
import { redirectAnswer } from './redirect.ts';
import { responseAnswer } from './responses.ts';
import { rewriteMetadata } from './rewrite.ts';

/** The live configuration by name: one immutable snapshot. */
export interface RoutingTable {
  rulelist(name: string): RuleList | undefined;
  rule(name: string): Rule | undefined;
  route(name: string): Route | undefined;
  cluster(name: string): ClusterHandle | undefined;
}

/** What was decided, and by which objects: a way to go, or an answer at once. */
export interface Decision {
  readonly route?: Route;
  readonly answer?: Answered;
  readonly rulelist: string;
  readonly rule: string;
}

/**
 * The first rule that matches decides. A rule that applies another list decides by that list, or, where nothing there
 * matches, by its own route, or not at all; then the next rule is asked.
 *
 * @throws ProxyError `NO_ROUTE` where nothing matches, `UNKNOWN_ROUTE` where the rule's route does not exist.
 */
export function decide(table: RoutingTable, rulelist: string, metadata: Metadata): Decision {
  const list = table.rulelist(rulelist);
  if (list === undefined) throw new ProxyError('NO_ROUTE', `rule list ${rulelist} does not exist`);
  const decision = search(table, list, metadata);
  if (decision === undefined) throw new ProxyError('NO_ROUTE', `no rule of ${rulelist} matches`);
  return decision;
}

function search(table: RoutingTable, list: RuleList, metadata: Metadata): Decision | undefined {
  for (const name of list.rules) {
    const rule = table.rule(name);
    if (rule === undefined || !predicateOf(rule.match)(metadata)) continue;
    const { rewrite, apply, route: routeName, respond, redirect } = rule.action;
    if (rewrite.length > 0) rewriteMetadata(rewrite, metadata);
    if (apply !== undefined) {
      const next = table.rulelist(apply);
      const decision = next && search(table, next, metadata);
      if (decision) return decision;
    }
    if (respond !== undefined || redirect !== undefined) {
      const answer = respond ? responseAnswer(respond) : redirect && redirectAnswer(redirect, metadata);
      if (answer) return { answer: new Answered(answer, `by rule ${name}`), rulelist: list.name, rule: name };
    }
    if (routeName === undefined) continue;
    const route = table.route(routeName);
    if (route === undefined) throw new ProxyError('UNKNOWN_ROUTE', `rule ${name} names route ${routeName}, unknown`);
    return { route, rulelist: list.name, rule: name };
  }
  return undefined;
}

/** Why a session that goes on would take another route than before, or not that alone; undefined: it wouldn't. */
export function changedRoute(note: SessionNote, route: Route | undefined): ProxyError | undefined {
  const before = `expected route ${note.route} to cluster ${note.cluster} alone, as before`;
  if (route === undefined) return new ProxyError('NO_ROUTE', `${before}, found an answer`);
  const { name, destination, destinations, ingress, egress } = route;
  const clusters = destinations.length > 0 ? destinations.flatMap(({ cluster }) => cluster ?? []) : [destination];
  const others = [...ingress, ...egress];
  if (name === note.route && clusters.includes(note.cluster) && others.length === 0) return undefined;
  const by = others.length > 0 ? ` by way of ${others.join(', ')}` : '';
  const found = `route ${name} to ${clusters.join(', ')}${by}`;
  return new ProxyError('NO_ROUTE', `${before}, found ${found}`);
}

/**
 * One of a route's several destinations: the one that the client's token leads to, whatever its weight (GEP-1619), or else one by
 * weight; undefined where the route has but one. `random` is from 0 up to 1.
 */
export function pickDestination(
  { destinations }: Route,
  visit?: Visit,
  random: () => number = Math.random,
): Destination | undefined {
  if (destinations.length === 0) return undefined;
  const known = visit && destinations.find(({ cluster }) => cluster !== undefined && visit.in(cluster) !== undefined);
  if (known) return known;
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  let point = random() * total;
  for (const destination of destinations) {
    point -= destination.weight;
    if (point < 0) return destination;
  }
  return destinations.at(-1);
}
