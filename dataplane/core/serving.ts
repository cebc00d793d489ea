/** How an object fares in the running proxy. Types only. */

/**
 * `warming`: it waits for something; `serving`: it works (a listener listens, a cluster's names are resolved);
 * `failed`: it can't, and is tried again.
 */
export interface Serving {
  readonly state: 'warming' | 'serving' | 'failed';
  /** What it waits for, or why it failed. */
  readonly reason?: string;
}
