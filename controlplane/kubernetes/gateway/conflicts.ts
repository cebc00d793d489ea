/** Listeners of one Gateway that can't be served beside each other. */
import { ANY } from './hostnames.ts';
import { groupBy } from '../api/order.ts';
import { type Conflict, isAccepted, type ListenerState } from './state.ts';

/**
 * Marks the conflicts among listeners. `groups` come in their order of precedence: the Gateway's, then each ListenerSet's.
 * Of a group none wins over another; what an earlier group has is not given away (GEP-1713).
 */
export function markConflicts(groups: readonly (readonly ListenerState[])[]): void {
  const taken = new Map<string, ListenerState[]>();
  for (const group of groups) {
    const valid = group.filter(({ refused }) => refused === undefined);
    for (const [port, listeners] of groupBy(valid, portOf)) {
      const before = taken.get(port) ?? [];
      mark(listeners, () => before);
      // Who has lost to an earlier group is in nobody's way.
      const left = listeners.filter(isAccepted);
      mark(left, (listener) => left.filter((other) => other !== listener));
      taken.set(port, [...before, ...left.filter(isAccepted)]);
    }
  }
}

function mark(
  listeners: readonly ListenerState[],
  rivals: (listener: ListenerState) => readonly ListenerState[],
): void {
  const found = listeners.map((listener) => {
    const verdicts = rivals(listener).map((rival) => conflictOf(listener, rival));
    // A port that is for something else weighs more than a name that is taken.
    return verdicts.find((verdict) => verdict?.reason === 'ProtocolConflict') ?? verdicts.find(Boolean);
  });
  for (const [index, listener] of listeners.entries()) {
    const verdict = found[index];
    if (verdict !== undefined) listener.conflict = verdict;
  }
}

/** TCP and UDP have ports of their own. */
function portOf({ spec, protocol }: ListenerState): string {
  return `${protocol?.transport ?? ''}/${spec.port}`;
}

function conflictOf(listener: ListenerState, other: ListenerState): Conflict | undefined {
  const { spec, passthrough, hostname } = listener;
  if (spec.protocol !== other.spec.protocol) {
    return { reason: 'ProtocolConflict', message: `port ${spec.port} is for ${other.spec.protocol}, too` };
  }
  if (passthrough !== other.passthrough) {
    const message = `port ${spec.port} is both for TLS that is terminated and for TLS that is passed through`;
    return { reason: 'ProtocolConflict', message, isUnsupported: true };
  }
  if (listener.protocol?.byHostname !== true) {
    const message = `port ${spec.port} is for two listeners, and ${spec.protocol} has no names to tell them apart`;
    return { reason: 'ProtocolConflict', message };
  }
  if (hostname !== other.hostname) return undefined;
  const name = hostname === ANY ? 'every hostname' : `hostname ${hostname}`;
  return { reason: 'HostnameConflict', message: `port ${spec.port} has ${name} twice` };
}
