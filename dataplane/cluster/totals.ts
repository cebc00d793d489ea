/** What a cluster has counted since it was made. */
import type { ErrorCode } from '../../common/errors.ts';
import { Histogram } from '../../common/histogram.ts';
import { RequestDurations } from '../core/request-durations.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';

/** Upper bounds of the buckets of connect times, in ms. */
const LATENCY_BOUNDS: readonly number[] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

export class ClusterTotals {
  /** Sessions that were connected. */
  sessions = 0;
  /** Failed attempts and broken sessions, by why they failed. */
  readonly failures = new Map<ErrorCode, number>();
  /** How long connects took. */
  readonly connectLatency = new Histogram(LATENCY_BOUNDS);
  /** How long requests of HTTP took, each attempt for itself. */
  readonly requests = new RequestDurations();

  countFailure(code: ErrorCode): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  /** `elapsed` in ms; `span` where the attempt is recorded. */
  countConnect(elapsed: number, span?: SpanIds): void {
    this.connectLatency.add(elapsed, span);
  }
}
