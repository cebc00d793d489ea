/**
 * Rules and routes with what custom resources name in them: names become those of configuration objects. What is not of the form that it
 * should be of stays as it is, for the decoder to find.
 */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import { clusterIn, isSelective, pathsIn } from './clusters.ts';
import type { Place } from './context.ts';
import { addPart, nameWithin } from './making.ts';
import { resolveCluster, resolveObject } from './names.ts';
import { persistenceIn } from './persistence.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { verdict } from './reasons.ts';

/** A rule list: its name, its rules, or an object that has them. */
export function ruleListIn(place: Place, raw: Json, path: string): Json {
  if (typeof raw === 'string') return resolveObject(place, 'RuleList', raw, path);
  if (Array.isArray(raw)) return rulesIn(place, raw, path);
  if (!isJsonObject(raw)) return raw;
  const { rules = [] } = raw;
  // Files may have one name here, of a rule: there is no kind of single ones that could be named.
  return { ...named(place, raw), rules: rulesIn(place, Array.isArray(rules) ? rules : [rules], `${path}.rules`) };
}

/** Rules in order. */
export function rulesIn(place: Place, raw: readonly Json[], path: string): Json[] {
  return raw.map((rule, index) => {
    const at = `${path}[${index}]`;
    if (typeof rule === 'string') {
      place.making.faults.push(verdict('Invalid', `${at}: expected a rule, found the name "${rule}"`));
    }
    if (!isJsonObject(rule) || !isJsonObject(rule['action'])) return rule;
    return { ...named(place, rule), action: actionIn(place, rule['action'], `${at}.action`) };
  });
}

function actionIn(place: Place, action: Plain, path: string): Json {
  const { route, apply } = action;
  return {
    ...action,
    ...(typeof route === 'string' && { route: resolveObject(place, 'Route', route, `${path}.route`) }),
    ...(isJsonObject(route) && { route: named(place, routeIn(place, route, `${path}.route`)) }),
    ...(apply !== undefined && { apply: ruleListIn(place, apply, `${path}.apply`) }),
  };
}

/** A route with the clusters that it names. */
export function routeIn(place: Place, route: Plain, path: string): Plain {
  const cluster = (value: Json, at: string): Json => clusterNamed(place, value, at);
  const one = (field: string): Plain =>
    route[field] === undefined ? {} : { [field]: cluster(route[field], `${path}.${field}`) };
  const each = (field: string, change: (value: Json, at: string) => Json): Plain => {
    const value = route[field];
    if (value === undefined) return {};
    const at = `${path}.${field}`;
    return {
      [field]: Array.isArray(value) ? value.map((item, index) => change(item, `${at}[${index}]`)) : change(value, at),
    };
  };
  const inField = (value: Json, at: string): Json =>
    isJsonObject(value) && value['cluster'] !== undefined
      ? { ...value, cluster: cluster(value['cluster'], `${at}.cluster`) }
      : value;
  return {
    ...route,
    ...one('destination'),
    ...one('cluster'),
    ...one('destinationRef'),
    ...each('destinations', inField),
    ...each('mirrors', inField),
    ...each('ingress', cluster),
    ...each('egress', cluster),
    ...persistenceIn(place, route, path),
  };
}

/** A cluster by its name, by an address in one line, or in place. */
function clusterNamed(place: Place, raw: Json, path: string): Json {
  if (typeof raw === 'string') return raw.includes('://') ? raw : resolveCluster(place, raw, path);
  if (!isJsonObject(raw)) return raw;
  const { making } = place;
  if (!isSelective(raw)) return named(place, clusterIn(place, '', raw, path));
  const { name: given, ...cluster } = raw;
  const number = making.parts.filter(({ kind }) => kind === 'Cluster').length + 1;
  const name = nameWithin(making.object, typeof given === 'string' ? given : `cluster-${number}`);
  const uses = new Set<string>();
  const spec = clusterIn({ ...place, uses }, name, cluster, path);
  addPart(making, 'Cluster', name, spec, uses, pathsIn('ClusterSpec', raw, path));
  place.uses.add(`Cluster/${name}`);
  return name;
}

/** What is written in an object may have a name, which is its own. */
function named(place: Place, raw: Plain): Plain {
  const { name } = raw;
  return typeof name === 'string' ? { ...raw, name: nameWithin(place.making.object, name) } : raw;
}
