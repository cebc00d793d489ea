/** Latencies of one run, and their percentiles. */

export class Samples {
  private readonly values: Float64Array;
  private count = 0;

  constructor(capacity: number) {
    this.values = new Float64Array(capacity);
  }

  /** Those above the capacity are not kept. */
  add(value: number): void {
    if (this.count < this.values.length) this.values[this.count++] = value;
  }

  get size(): number {
    return this.count;
  }

  /** The values at these quantiles, from 0 to 1. */
  quantiles(...quantiles: number[]): number[] {
    const sorted = this.values.subarray(0, this.count).sort();
    return quantiles.map((quantile) => sorted[Math.min(this.count - 1, Math.floor(quantile * this.count))] ?? NaN);
  }
}
