/** Sums of what the kernel has relayed. */
import type { FlowTraffic } from './offload.ts';

export const NO_TRAFFIC: FlowTraffic = { packets: 0, bytes: 0 };

export function addTraffic(one: FlowTraffic, other: FlowTraffic): FlowTraffic {
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

export function subtractTraffic(one: FlowTraffic, other: FlowTraffic): FlowTraffic {
  return { packets: one.packets - other.packets, bytes: one.bytes - other.bytes };
}
