/** Sums of what the kernel has relayed. */
import type { FlowTraffic, PairTraffic, SessionNote } from './offload.ts';

export const NO_TRAFFIC: FlowTraffic = { packets: 0, bytes: 0 };

export function addTraffic(one: FlowTraffic, other: FlowTraffic): FlowTraffic {
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

/** A note with what a pair has counted added to it. */
export function addToNote(note: SessionNote, { fromClient, fromUpstream }: PairTraffic): SessionNote {
  const { passed, relayed } = note;
  return {
    ...note,
    passed: {
      ingress: { ...passed.ingress, ...addTraffic(passed.ingress, fromClient) },
      egress: { ...passed.egress, ...addTraffic(passed.egress, fromUpstream) },
    },
    relayed: {
      ingress: addTraffic(relayed.ingress, fromClient),
      egress: addTraffic(relayed.egress, fromUpstream),
    },
  };
}

/** The other way round. */
export function takeFromNote(note: SessionNote, { fromClient, fromUpstream, lastSeen }: PairTraffic): SessionNote {
  const less = ({ packets, bytes }: FlowTraffic): FlowTraffic => ({ packets: -packets, bytes: -bytes });
  return addToNote(note, { fromClient: less(fromClient), fromUpstream: less(fromUpstream), lastSeen });
}

export function subtractTraffic(one: FlowTraffic, other: FlowTraffic): FlowTraffic {
  return { packets: one.packets - other.packets, bytes: one.bytes - other.bytes };
}
