/** How late the event loop comes round of late: the same for all readers, however many there are and however often they ask. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** How often the delay is sampled, in ms; what is sampled has this in it. */
export const DELAY_RESOLUTION = 20;

/** What readers are told of is at least so long, in ms: those that ask once a minute miss nothing. */
const WINDOW = 60_000;

/** What is used of `IntervalHistogram`; in ns. */
export type Delays = Pick<IntervalHistogram, 'count' | 'max' | 'percentile' | 'reset'>;

/** Two windows that overlap, as one histogram can neither be read in part nor added to another. */
export class EventLoopDelays {
  private readonly now: () => number;
  private longer: Delays;
  private shorter: Delays;
  /** When the shorter one began. */
  private since: number;

  /** `monitor` starts to sample; `now`: in ms, of a clock that does not jump. */
  constructor(monitor: () => Delays = monitorDelays, now: () => number = () => performance.now()) {
    this.now = now;
    this.longer = monitor();
    this.shorter = monitor();
    this.since = now();
  }

  /** Delays of at least the last minute, or since the start: where it is asked for once a minute or more often, of at most two. */
  recent(): Delays {
    const now = this.now();
    if (now - this.since >= WINDOW) {
      [this.longer, this.shorter] = [this.shorter, this.longer];
      this.shorter.reset();
      this.since = now;
    }
    return this.longer;
  }
}

function monitorDelays(): Delays {
  const histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION });
  histogram.enable();
  return histogram;
}
