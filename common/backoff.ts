/** Delays between attempts. */

export interface BackoffLimits {
  /** The longest first delay, in ms. */
  readonly base: number;
  /** The longest delay of all, in ms. */
  readonly cap: number;
}

/**
 * Exponential with jitter: anything from a share of a bound up to it, which doubles with each failure in a row, so that many who
 * failed together do not come back together.
 *
 * @param failures From 1.
 * @param least The share, from 0 (full jitter) to 1. Default: 0.
 */
export function backoff(failures: number, { base, cap }: BackoffLimits, least = 0): number {
  const bound = Math.min(cap, base * 2 ** Math.min(failures - 1, 30));
  return bound * (least + (1 - least) * Math.random());
}
