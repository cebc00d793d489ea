/** What slots have counted, and what that is to those who ask for traffic. */
import type { FlowTraffic, PairTraffic } from '../core/offload.ts';

/** What one slot has relayed; `lastSeen` in ns of CLOCK_MONOTONIC, 0: never. */
export interface Counted {
  readonly packets: number;
  readonly bytes: number;
  readonly lastSeen: number;
}

export const NOTHING: Counted = { packets: 0, bytes: 0, lastSeen: 0 };

export function addCounted(a: Counted, b: Counted): Counted {
  return { packets: a.packets + b.packets, bytes: a.bytes + b.bytes, lastSeen: Math.max(a.lastSeen, b.lastSeen) };
}

export function trafficOf(fromClient: Counted, fromUpstream: Counted): PairTraffic {
  const lastSeen = Math.max(fromClient.lastSeen, fromUpstream.lastSeen);
  return {
    fromClient: plain(fromClient),
    fromUpstream: plain(fromUpstream),
    lastSeen: lastSeen === 0 ? undefined : lastSeen / 1e6 - clockOffset(),
  };
}

export function plain({ packets, bytes }: Counted): FlowTraffic {
  return { packets, bytes };
}

/** CLOCK_MONOTONIC less performance.now(), in ms. */
function clockOffset(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
