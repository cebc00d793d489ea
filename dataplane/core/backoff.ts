/** Delays between attempts. */

export interface BackoffLimits {
  /** The longest first delay, in ms. */
  readonly base: number;
  /** The longest delay of all, in ms. */
  readonly cap: number;
}

/**
 * Exponential with full jitter: anything from 0 to the bound, which doubles with each failure in a row, so that many who
 * failed together do not come back together. `failures`: from 1.
 */
export function backoff(failures: number, { base, cap }: BackoffLimits, random: () => number = Math.random): number {
  return random() * Math.min(cap, base * 2 ** Math.min(failures - 1, 30));
}
