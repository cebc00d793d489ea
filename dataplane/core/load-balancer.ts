/** The load balancer as clusters see it. Types only. */
import type { Metadata } from './session.ts';

/** What can be picked. */
export interface Candidate {
  readonly name: string;
  /** What it is hashed by: the same for as long as it is at the same place, whatever comes and goes beside it. */
  readonly hashKey: string;
  /** Its share, beside the others'; at least 1. */
  readonly weight: number;
  /** False while it is unhealthy or ejected. */
  readonly usable: boolean;
  /** Sessions that it has now, or is being connected for. */
  readonly sessions: number;
}

export interface LoadBalancer {
  /**
   * One of the usable candidates, or undefined where there is none. Whatever is computed of the candidates is kept as
   * long as the very same list is given.
   */
  pick<E extends Candidate>(candidates: readonly E[], metadata: Metadata): E | undefined;
}
