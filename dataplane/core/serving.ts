/** How an object fares in the running proxy. Types only. */

/**
 * `warming`: it waits for something; `serving`: it works (a listener listens, a cluster's names are resolved);
 * `degraded`: it works, but for sessions that need what it names and nothing has; `failed`: it can't, and is tried again.
 */
export interface Serving {
  readonly state: 'warming' | 'serving' | 'degraded' | 'failed';
  /** What it waits for, what it lacks, or why it failed. */
  readonly reason?: string;
}
