/** LeastSessions: the usable endpoint with the fewest sessions for its weight; among equals any. */
import type { LoadBalancer } from '../core/load-balancer.ts';

/** `random` gives numbers from 0 up to 1. */
export function createLeastSessions(random: () => number = Math.random): LoadBalancer {
  return {
    pick(candidates) {
      let least = Infinity;
      let equals = 0;
      let best: (typeof candidates)[number] | undefined;
      for (const candidate of candidates) {
        if (!candidate.usable) continue;
        // The session to come counts, so that of empty endpoints the heaviest is first.
        const load = (candidate.sessions + 1) / candidate.weight;
        equals = load < least ? 1 : load === least ? equals + 1 : equals;
        if (load < least || (load === least && random() * equals < 1)) best = candidate;
        least = Math.min(least, load);
      }
      return best;
    },
  };
}
