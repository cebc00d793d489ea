/** What the statuses of Gateways and ListenerSets say of each listener. */
import type { Condition } from '../api/object.ts';
import type { Progress } from '../api/reader.ts';
import { GATEWAY_GROUP } from './group.ts';
import { intersect } from './hostnames.ts';
import { programmed } from './progress.ts';
import { isServed, type ListenerState } from './state.ts';
import { condition, stated, type Verdict } from '../api/verdict.ts';

/** `all` are the listeners of the Gateway and its sets, `parent` is why whom it belongs to is not accepted. */
export function listenerStatus(
  listener: ListenerState,
  all: readonly ListenerState[],
  parent: Verdict | undefined,
  progress: Progress,
): Record<string, unknown> {
  const { spec, kinds, attached, owner, refused, conflict, unresolved } = listener;
  const { generation } = owner.metadata;
  const conditions: Condition[] = [
    condition('Accepted', generation, conflict ?? refused, { reason: 'Accepted', message: 'the listener is valid' }),
    condition('ResolvedRefs', generation, unresolved, {
      reason: 'ResolvedRefs',
      message: 'all that the listener refers to is there',
    }),
    conflict === undefined
      ? stated('Conflicted', 'False', generation, { reason: 'NoConflicts', message: 'no listener conflicts with it' })
      : stated('Conflicted', 'True', generation, conflict),
    programmed(progress, generation, parent ?? unserved(listener)),
  ];
  const overlap = all.find((other) => overlaps(listener, other));
  if (overlap !== undefined) {
    const message = `listener ${overlap.spec.name} has the same port, and hostnames of this one`;
    conditions.push(stated('OverlappingTLSConfig', 'True', generation, { reason: 'OverlappingHostnames', message }));
  }
  return {
    name: spec.name,
    supportedKinds: conflict?.isUnsupported ? [] : kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
    attachedRoutes: attached.length,
    conditions,
  };
}

function unserved(listener: ListenerState): Verdict | undefined {
  if (isServed(listener)) return undefined;
  const { conflict, refused, unresolved } = listener;
  return conflict ?? { reason: 'Invalid', message: (refused ?? unresolved)?.message ?? '' };
}

/** A connection that a client opened for one listener may be used for another (GEP-3567). */
function overlaps(one: ListenerState, other: ListenerState): boolean {
  if (one === other || one.certificates.length === 0 || other.certificates.length === 0) return false;
  if (one.spec.port !== other.spec.port || one.conflict !== undefined || other.conflict !== undefined) return false;
  return intersect(one.hostname, other.hostname) !== undefined;
}
