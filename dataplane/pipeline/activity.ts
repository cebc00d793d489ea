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
  /** The same by direction, with packets a second. */
  rates: SessionView['rates'] = NOTHING;
  /** What the kernel has relayed of it; undefined where that is nothing. */
  kernelTraffic: SessionView['kernelTraffic'];
  /** What had passed before this process had it, where it goes on from an earlier one. */
  inherited: SessionView['inherited'];
  /** When the rate was measured last, and what had passed until then. */
  private ratedAt: number;
  private rated: SessionView['rates'] = NOTHING;
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
    this.rated = { ingress: passed.ingress, egress: passed.egress };
    this.seenPackets = passed.ingress.packets + passed.egress.packets;
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
    const { counters, rated } = this;
    if (isSame(counters.ingress, rated.ingress) && isSame(counters.egress, rated.egress)) {
      this.stop();
      this.ratedAt = now;
      return 0;
    }
    const ingress = rateOf(counters.ingress, rated.ingress, passed);
    const egress = rateOf(counters.egress, rated.egress, passed);
    this.rates = { ingress, egress };
    this.rate = ingress.bytes + egress.bytes;
    this.ratedAt = now;
    this.rated = { ingress: trafficOf(counters.ingress), egress: trafficOf(counters.egress) };
    return ingress.packets + egress.packets;
  }

  /** Nothing moves any more. */
  stop(): void {
    this.rate = 0;
    this.rates = NOTHING;
  }
}

function isSame(one: FlowTraffic, other: FlowTraffic): boolean {
  return one.bytes === other.bytes && one.packets === other.packets;
}

function trafficOf({ bytes, packets }: FlowTraffic): FlowTraffic {
  return { bytes, packets };
}

/** What came in `ms` since `before`, a second. */
function rateOf(now: FlowTraffic, before: FlowTraffic, ms: number): FlowTraffic {
  return { bytes: ((now.bytes - before.bytes) * 1000) / ms, packets: ((now.packets - before.packets) * 1000) / ms };
}

export function newCounters(): DirectionCounters {
  return { bytes: 0, packets: 0, dropped: 0 };
}
