/** Listeners of one Gateway that can't be served beside each other. */
import { ANY } from './hostnames.ts';
import { groupBy } from './order.ts';
import { isAccepted, type ListenerState } from './state.ts';
import type { Verdict } from './verdict.ts';

/**
 * Marks the conflicts among listeners. `groups` come in their order of precedence: the Gateway's, then each ListenerSet's.
 * Of a group none wins over another; what an earlier group has is not given away (GEP-1713).
 */
export function markConflicts(groups: readonly (readonly ListenerState[])[]): void {
  const taken = new Map<string, ListenerState[]>();
  for (const group of groups) {
    const valid = group.filter(({ refused }) => refused === undefined);
    const ports = groupBy(valid, portOf);
    for (const [port, listeners] of ports) {
      const before = taken.get(port) ?? [];
      for (const listener of listeners) {
        const others = [...before, ...listeners.filter((other) => other !== listener)];
        const verdicts = others.map((other) => conflictOf(listener, other)).filter((verdict) => verdict !== undefined);
        const [first] = verdicts.sort((one, other) => (one.reason < other.reason ? 1 : -1)); // protocols weigh more
        if (first !== undefined) listener.conflict = first;
      }
      taken.set(port, [...before, ...listeners.filter(isAccepted)]);
    }
  }
}

/** TCP and UDP have ports of their own. */
function portOf({ spec, protocol }: ListenerState): string {
  return `${protocol?.transport ?? ''}/${spec.port}`;
}

function conflictOf(listener: ListenerState, other: ListenerState): Verdict | undefined {
  const { spec, passthrough, hostname } = listener;
  if (spec.protocol !== other.spec.protocol) {
    return { reason: 'ProtocolConflict', message: `port ${spec.port} is for ${other.spec.protocol}, too` };
  }
  if (passthrough !== other.passthrough) {
    const message = `port ${spec.port} is both for TLS that is terminated and for TLS that is passed through`;
    return { reason: 'ProtocolConflict', message };
  }
  if (listener.protocol?.byHostname !== true) {
    const message = `port ${spec.port} is for two listeners, and ${spec.protocol} has no names to tell them apart`;
    return { reason: 'ProtocolConflict', message };
  }
  if (hostname !== other.hostname) return undefined;
  const name = hostname === ANY ? 'every hostname' : `hostname ${hostname}`;
  return { reason: 'HostnameConflict', message: `port ${spec.port} has ${name} twice` };
}
