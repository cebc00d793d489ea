/** What a cluster has counted since it was made. */
import type { ErrorCode } from '../core/errors.ts';

/** Upper bounds of the buckets of connect times, in ms. */
const LATENCY_BOUNDS: readonly number[] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

export class ClusterTotals {
  /** Sessions that were connected. */
  sessions = 0;
  /** Failed attempts and broken sessions, by why they failed. */
  readonly failures = new Map<ErrorCode, number>();
  /** Connects that took up to each bound (ms), the last for the rest; and the sum of all, in ms. */
  readonly connectLatency = {
    bounds: LATENCY_BOUNDS,
    counts: new Array<number>(LATENCY_BOUNDS.length + 1).fill(0),
    sum: 0,
  };

  countFailure(code: ErrorCode): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  /** `elapsed` in ms. */
  countConnect(elapsed: number): void {
    const { bounds, counts } = this.connectLatency;
    let bucket = 0;
    while (bucket < bounds.length && elapsed > (bounds[bucket] ?? 0)) bucket++;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.connectLatency.sum += elapsed;
  }
}
