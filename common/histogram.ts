/** Durations, counted by how long they were. */
import { Exemplars } from './exemplars.ts';
import type { SpanIds } from './telemetry/trace-context.ts';

export class Histogram {
  /** Upper bounds of the buckets, in ms, rising. */
  readonly bounds: readonly number[];
  /** How many were up to each bound; the last for the rest. */
  readonly counts: number[];
  /** Of all, in ms. */
  sum = 0;
  /** Undefined: none of them was recorded. */
  exemplars: Exemplars | undefined;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** `elapsed` in ms; `span` where it is recorded. */
  add(elapsed: number, span?: SpanIds): void {
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && elapsed > (bounds[bucket] ?? 0)) bucket++;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.sum += elapsed;
    if (span) (this.exemplars ??= new Exemplars()).keep(bucket, elapsed, span);
  }
}
