/** What objects name, and what of that is not there: no fault, since names are bound when a session starts, but worth a warning. */
import type { Listener, Route, Rule, RuleList } from '../gen/l7mp/config/v1/types.ts';
import type { Fault } from '../common/errors.ts';
import { KINDS, LIST_OF } from './kinds.ts';
import type { ConfigObjects, Kind, Owned } from './snapshot.ts';
import type { WireKind } from './wire-kinds.ts';

/** A name in an object, of another one. */
export interface Reference {
  /** In the object. */
  readonly path: string;
  readonly kind: WireKind;
  readonly name: string;
}

/** The kinds in words. */
export const WORDS: Readonly<Record<WireKind, string>> = {
  Secret: 'secret',
  Cluster: 'cluster',
  ClusterLoadAssignment: 'load assignment',
  Listener: 'listener',
  RuleList: 'rule list',
  Rule: 'rule',
  Route: 'route',
};

/** What sessions that come to an object need beside it. */
export function* referencesOf(kind: Kind, value: object): Iterable<Reference> {
  switch (kind) {
    case 'Listener':
      yield { path: 'rules', kind: 'RuleList', name: (value as Listener).rules };
      return;
    case 'RuleList':
      for (const [index, name] of (value as RuleList).rules.entries()) {
        yield { path: `rules[${index}]`, kind: 'Rule', name };
      }
      return;
    case 'Rule': {
      const { route, apply } = (value as Rule).action;
      if (route !== undefined) yield { path: 'action.route', kind: 'Route', name: route };
      if (apply !== undefined) yield { path: 'action.apply', kind: 'RuleList', name: apply };
      return;
    }
    case 'Route':
      for (const [path, name] of clustersOf(value as Route)) yield { path, kind: 'Cluster', name };
      return;
    case 'Cluster':
  }
}

function* clustersOf({ destination, destinations, ingress, egress, mirrors }: Route): Iterable<[string, string]> {
  if (destination !== undefined) yield ['destination', destination];
  for (const [index, { cluster }] of destinations.entries()) {
    if (cluster !== undefined) yield [`destinations[${index}]`, cluster];
  }
  for (const [index, cluster] of ingress.entries()) yield [`ingress[${index}]`, cluster];
  for (const [index, cluster] of egress.entries()) yield [`egress[${index}]`, cluster];
  for (const [index, { cluster }] of mirrors.entries()) yield [`mirrors[${index}]`, cluster];
}

/** What is to be said of a reference to what is not there. */
export function danglingFault({ path, kind, name }: Reference): Fault {
  return { path, expected: `the name of a ${WORDS[kind]} that exists`, found: `"${name}"` };
}

/** One for each reference to an object that isn't in the configuration. */
export function danglingReferences(objects: ConfigObjects): Fault[] {
  const warnings: Fault[] = [];
  for (const kind of KINDS) {
    const list = LIST_OF[kind];
    const all: ReadonlyMap<string, Owned<object>> = objects[list];
    for (const [name, { value }] of all) {
      for (const { path, ...to } of referencesOf(kind, value)) {
        if (objects[LIST_OF[to.kind as Kind]].has(to.name)) continue;
        warnings.push(danglingFault({ ...to, path: `${list}.${name}.${path}` }));
      }
    }
  }
  return warnings;
}
