/** Statuses of routes: of each parent of ours, whether the route is accepted there, and what is wrong with it. */
import type { AnyRoute, BackendReference, HTTPRouteRule } from '../api/gateway-kinds.ts';
import { CONTROLLER_NAME } from '../api/names.ts';
import type { Condition } from '../api/object.ts';
import { refOf, type StatusPlan } from '../api/reader.ts';
import type { ParentState, RouteState } from './attachment.ts';
import type { Backends } from './backends.ts';
import { programmed } from './progress.ts';
import { isServiceParent } from './service-parents.ts';
import { unsupportedOf } from './route-faults.ts';
import { condition, joined, stated, type Verdict } from '../api/verdict.ts';

/** What backends are to routes, by the kind of their parent. */
export interface BackendsByParent {
  readonly gateway: Backends;
  readonly service: Backends;
}

/** `objects` are the ids of what was made of the route. */
export function routeStatus(
  { route, parents }: RouteState,
  backends: BackendsByParent,
  objects: readonly string[],
): StatusPlan {
  const { generation } = route.metadata;
  const unresolved = {
    gateway: joined(unresolvedOf(route, backends.gateway)),
    service: joined(unresolvedOf(route, backends.service)),
  };
  const { faults } = unsupportedOf(route);
  const conditionsOf = ({ ref, refused }: ParentState): Condition[] => [
    condition('Accepted', generation, refused, {
      reason: 'Accepted',
      message: 'the route is attached',
    }),
    condition('ResolvedRefs', generation, unresolved[isServiceParent(ref) ? 'service' : 'gateway'], {
      reason: 'ResolvedRefs',
      message: 'all that the route refers to is there',
    }),
    ...(faults === undefined || refused !== undefined ? [] : [stated('PartiallyInvalid', 'True', generation, faults)]),
  ];
  const states = parents.map((parent) => ({ parent, conditions: conditionsOf(parent) }));
  return {
    ref: refOf(route),
    objects,
    render: (progress) => ({
      parents: states.map(({ parent, conditions }) => ({
        parentRef: parent.ref,
        controllerName: CONTROLLER_NAME,
        conditions:
          parent.refused === undefined && objects.length > 0
            ? [...conditions, programmed(progress, generation, undefined, 'l7mp.io/Programmed')]
            : conditions,
      })),
    }),
  };
}

/** Whether somebody has to take back what we said of a route once. */
export function hasOurStatus({ status }: AnyRoute): boolean {
  return status?.parents?.some(({ controllerName }) => controllerName === CONTROLLER_NAME) === true;
}

/** What a route refers to and can't have, backends and mirrors. */
function unresolvedOf(route: AnyRoute, backends: Backends): Verdict[] {
  const rules = (route.spec?.rules ?? []) as readonly HTTPRouteRule[];
  const refs = rules.flatMap(({ backendRefs = [], filters = [] }): BackendReference[] => [
    ...backendRefs,
    ...filters.flatMap(({ requestMirror }) => (requestMirror === undefined ? [] : [requestMirror.backendRef])),
  ]);
  return refs.flatMap((ref) => backends.resolve(route, ref).fault ?? []);
}
