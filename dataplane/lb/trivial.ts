/** Trivial: the first usable endpoint. */
import type { LoadBalancer } from '../core/load-balancer.ts';

export function createTrivial(): LoadBalancer {
  return { pick: (candidates) => candidates.find(({ usable }) => usable) };
}
