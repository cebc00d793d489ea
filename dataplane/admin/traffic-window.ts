/** What has moved between two looks at the sums of all sessions, those that have ended meanwhile among them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { FlowTraffic } from '../core/offload.ts';
import { NO_TRAFFIC, subtractTraffic } from '../core/traffic.ts';

/** What sessions of a listener, or to a cluster, have moved. */
export interface TrafficSums {
  /** Sessions that live. */
  readonly active: number;
  readonly ingress: FlowTraffic;
  readonly egress: FlowTraffic;
}

export interface TrafficTotals {
  readonly listeners: ReadonlyMap<string, TrafficSums>;
  readonly clusters: ReadonlyMap<string, TrafficSums>;
}

/** What moves: bytes and packets a second. */
export interface Moving {
  readonly name: string;
  readonly sessions: number;
  readonly ingress: FlowTraffic;
  readonly egress: FlowTraffic;
}

export interface Clock {
  /** In ms. */
  now(): number;
  wait(milliseconds: number): Promise<unknown>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  // Nobody waits for it where the process ends.
  wait: (milliseconds) => delay(milliseconds, undefined, { ref: false }),
};

/** How far two looks are apart, in ms: not so close that a rate is of chance, nor so far that it is of long ago. */
const CLOSEST = 1000;
const FARTHEST = 10_000;

interface Sample {
  readonly at: number;
  readonly totals: TrafficTotals;
}

export class TrafficWindow {
  private readonly totals: () => TrafficTotals;
  private readonly clock: Clock;
  /** The last two looks that are far enough apart. */
  private older: Sample | undefined;
  private newer: Sample | undefined;

  constructor(totals: () => TrafficTotals, clock = CLOCK) {
    this.totals = totals;
    this.clock = clock;
  }

  /** Rates since a look of a second ago, or somewhat more. Where nobody has looked of late, it takes that second. */
  async look(): Promise<{ readonly listeners: Moving[]; readonly clusters: Moving[] }> {
    let now = this.sample();
    let before = [this.newer, this.older].find((sample) => sample && isApart(sample, now));
    if (before === undefined) {
      const { newer } = this;
      before = newer && now.at - newer.at < CLOSEST ? newer : (this.newer = now);
      await this.clock.wait(before.at + CLOSEST - now.at);
      now = this.sample();
    } else if (before === this.newer) {
      this.older = before;
      this.newer = now;
    }
    const seconds = Math.max(CLOSEST, now.at - before.at) / 1000;
    return {
      listeners: moving(before.totals.listeners, now.totals.listeners, seconds),
      clusters: moving(before.totals.clusters, now.totals.clusters, seconds),
    };
  }

  private sample(): Sample {
    return { at: this.clock.now(), totals: this.totals() };
  }
}

function isApart(sample: Sample, now: Sample): boolean {
  const apart = now.at - sample.at;
  return apart >= CLOSEST && apart <= FARTHEST;
}

/** Those with live sessions, and those that moved something; that which moves the most comes first. */
function moving(
  before: ReadonlyMap<string, TrafficSums>,
  now: ReadonlyMap<string, TrafficSums>,
  seconds: number,
): Moving[] {
  const found: Moving[] = [];
  for (const [name, { active, ...sums }] of now) {
    const [ingress, egress] = (['ingress', 'egress'] as const).map((way) => {
      const { packets, bytes } = subtractTraffic(sums[way], before.get(name)?.[way] ?? NO_TRAFFIC);
      // Sums that were dropped meanwhile have begun anew.
      return { packets: Math.max(0, packets) / seconds, bytes: Math.max(0, bytes) / seconds };
    }) as [FlowTraffic, FlowTraffic];
    if (active > 0 || ingress.packets > 0 || egress.packets > 0) {
      found.push({ name, sessions: active, ingress, egress });
    }
  }
  const bytes = ({ ingress, egress }: Moving): number => ingress.bytes + egress.bytes;
  return found.sort((one, other) => bytes(other) - bytes(one));
}
