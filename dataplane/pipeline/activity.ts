/**
 * What moves in a session, by way of user space and of the kernel: its counters, its rate, and since when nothing does.
 * Packets are counted anyway, so a look now and then finds what is idle without a timer for each session or a clock for
 * each packet. Times are those of performance.now(), which never steps, in ms.
 */
import type { FlowTraffic, LeftPair, SessionNote } from '../core/offload.ts';
import type { DirectionCounters, SessionView } from '../core/session.ts';
import { addToNote, addTraffic, NO_TRAFFIC } from '../core/traffic.ts';

const NOTHING = { ingress: NO_TRAFFIC, egress: NO_TRAFFIC };

export class Activity {
  readonly counters = { ingress: newCounters(), egress: newCounters() };
  /** Bytes a second, of late. */
  rate = 0;
  /** What the kernel has relayed of it; undefined where that is nothing. */
  kernelTraffic: SessionView['kernelTraffic'];
  /** What had passed before this process had it, where it goes on from an earlier one. */
  inherited: SessionView['inherited'];
  /** When the rate was measured last, and what had passed until then. */
  private ratedAt: number;
  private ratedBytes = 0;
  private ratedPackets = 0;
  /** When data last moved, as the last look saw it. */
  private activeAt: number;
  /** Packets in both directions at that time. */
  private seenPackets = 0;

  constructor(now: number) {
    this.ratedAt = now;
    this.activeAt = now;
  }

  /** It goes on from before. */
  resume({ note, traffic }: LeftPair): void {
    const { passed, relayed } = (this.inherited = addToNote(note, traffic));
    Object.assign(this.counters.ingress, passed.ingress);
    Object.assign(this.counters.egress, passed.egress);
    this.kernelTraffic = relayed;
    this.ratedBytes = passed.ingress.bytes + passed.egress.bytes;
    this.ratedPackets = passed.ingress.packets + passed.egress.packets;
    this.seenPackets = this.ratedPackets;
    if (traffic.lastSeen !== undefined) this.activeAt = Math.min(this.activeAt, traffic.lastSeen);
  }

  /** All that has passed, for who goes on with it. */
  get sums(): Pick<SessionNote, 'passed' | 'relayed'> {
    const { counters, kernelTraffic: relayed = NOTHING } = this;
    return { passed: { ingress: { ...counters.ingress }, egress: { ...counters.egress } }, relayed };
  }

  /** How long nothing has moved. */
  silence(now: number): number {
    const packets = this.counters.ingress.packets + this.counters.egress.packets;
    if (packets !== this.seenPackets) {
      this.seenPackets = packets;
      this.activeAt = now;
    }
    return now - this.activeAt;
  }

  /** The kernel has relayed so much more, the last of it at `lastSeen`. */
  relayed(ingress: FlowTraffic, egress: FlowTraffic, lastSeen: number | undefined): void {
    const { kernelTraffic: before = NOTHING } = this;
    this.kernelTraffic = { ingress: addTraffic(before.ingress, ingress), egress: addTraffic(before.egress, egress) };
    for (const [counters, traffic] of [
      [this.counters.ingress, ingress],
      [this.counters.egress, egress],
    ] as const) {
      counters.packets += traffic.packets;
      counters.bytes += traffic.bytes;
      this.seenPackets += traffic.packets;
    }
    if (lastSeen !== undefined) this.activeAt = Math.max(this.activeAt, lastSeen);
  }

  /** Sets the rate, and gives packets a second; undefined where that was done within `least` ms. */
  measure(now: number, least: number): number | undefined {
    const passed = now - this.ratedAt;
    if (passed < least) return undefined;
    const { ingress, egress } = this.counters;
    const bytes = ingress.bytes + egress.bytes;
    const packets = ingress.packets + egress.packets;
    const packetsPerSecond = ((packets - this.ratedPackets) * 1000) / passed;
    this.rate = ((bytes - this.ratedBytes) * 1000) / passed;
    this.ratedAt = now;
    this.ratedBytes = bytes;
    this.ratedPackets = packets;
    return packetsPerSecond;
  }
}

export function newCounters(): DirectionCounters {
  return { bytes: 0, packets: 0, dropped: 0 };
}
