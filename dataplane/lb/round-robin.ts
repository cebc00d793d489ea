/**
 * RoundRobin, smooth: each pick adds every endpoint's weight to its credit and takes the total from the one with the
 * most, so heavy endpoints are spread among light ones (weights 3 and 1 give a a b a, not a a a b).
 */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';

export function createRoundRobin(): LoadBalancer {
  // By name: an endpoint that stays keeps its credit when others come and go.
  let credits = new Map<string, number>();
  let known: readonly Candidate[] | undefined;
  return {
    pick(candidates) {
      if (known !== candidates) {
        credits = new Map(candidates.map(({ name }) => [name, credits.get(name) ?? 0]));
        known = candidates;
      }
      let total = 0;
      let most = -Infinity;
      let best: (typeof candidates)[number] | undefined;
      for (const candidate of candidates) {
        if (!candidate.usable) continue;
        total += candidate.weight;
        const credit = (credits.get(candidate.name) ?? 0) + candidate.weight;
        credits.set(candidate.name, credit);
        if (credit > most) {
          most = credit;
          best = candidate;
        }
      }
      if (best) credits.set(best.name, most - total);
      return best;
    },
  };
}
