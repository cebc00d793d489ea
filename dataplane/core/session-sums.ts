/** What sessions have done, summed: one piece for all that tell of it, so that their numbers are the same. */
import type { CountedTraffic, FlowTraffic } from './offload.ts';
import type { DirectionCounters, SessionView } from './session.ts';
import { addTraffic, NO_TRAFFIC, subtractTraffic } from './traffic.ts';

export interface SessionSums {
  active: number;
  opened: number;
  /** From clients, and to them. */
  readonly ingress: DirectionCounters;
  readonly egress: DirectionCounters;
  /** What of that the kernel relayed. */
  readonly kernel: { ingress: FlowTraffic; egress: FlowTraffic };
}

const NOTHING: CountedTraffic = { ...NO_TRAFFIC, dropped: 0 };

export function noSums(): SessionSums {
  const none = (): DirectionCounters => ({ bytes: 0, packets: 0, dropped: 0 });
  return { active: 0, opened: 0, ingress: none(), egress: none(), kernel: { ingress: NO_TRAFFIC, egress: NO_TRAFFIC } };
}

export function copySums({ active, opened, ingress, egress, kernel }: SessionSums): SessionSums {
  return { active, opened, ingress: { ...ingress }, egress: { ...egress }, kernel: { ...kernel } };
}

/** Adds a session that has ended, or lives. What it has from an earlier process was counted there. */
export function addSession(sums: SessionSums, { counters, kernelTraffic, inherited }: SessionView): void {
  sums.opened++;
  for (const direction of ['ingress', 'egress'] as const) {
    addCounters(sums[direction], counters[direction], inherited?.passed[direction]);
    if (kernelTraffic === undefined) continue;
    const relayed = subtractTraffic(kernelTraffic[direction], inherited?.relayed[direction] ?? NO_TRAFFIC);
    sums.kernel[direction] = addTraffic(sums.kernel[direction], relayed);
  }
}

/** Adds what others have summed. */
export function addSums(sums: SessionSums, more: SessionSums): void {
  sums.active += more.active;
  sums.opened += more.opened;
  for (const direction of ['ingress', 'egress'] as const) {
    addCounters(sums[direction], more[direction]);
    sums.kernel[direction] = addTraffic(sums.kernel[direction], more.kernel[direction]);
  }
}

/** Those that live: one that has ended is listed for a while, and was counted when it did. */
export function* living(sessions: Iterable<SessionView>): Iterable<SessionView> {
  for (const session of sessions) if (session.status !== 'DESTROYED') yield session;
}

function addCounters(sum: DirectionCounters, { bytes, packets, dropped }: CountedTraffic, less = NOTHING): void {
  sum.bytes += bytes - less.bytes;
  sum.packets += packets - less.packets;
  sum.dropped += dropped - less.dropped;
}
