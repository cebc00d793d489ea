/** Exemplars of a histogram: spans by which durations that it counted can be looked at. */
import type { SpanIds } from './telemetry/trace-context.ts';

export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  /** What was counted, in ms. */
  readonly elapsed: number;
  /** When it was counted, in ms since the epoch. */
  readonly time: number;
}

/** The last one of each bucket. */
export class Exemplars {
  private readonly byBucket = new Map<number, Exemplar>();

  /** `elapsed` in ms. */
  keep(bucket: number, elapsed: number, { traceId, spanId }: SpanIds): void {
    this.byBucket.set(bucket, { traceId, spanId, elapsed, time: Date.now() });
  }

  of(bucket: number): Exemplar | undefined {
    return this.byBucket.get(bucket);
  }
}
