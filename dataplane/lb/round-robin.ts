/**
 * RoundRobin, smooth: each pick adds every endpoint's weight to its credit and takes the total from the one with the
 * most, so heavy endpoints are spread among light ones (weights 3 and 1 give a a b a, not a a a b).
 */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';

export function createRoundRobin(): LoadBalancer {
  let known: readonly Candidate[] = [];
  let credits: number[] = [];
  return {
    pick(candidates) {
      if (known !== candidates) {
        // An endpoint that stays keeps its credit when others come and go.
        const kept = new Map(known.map(({ name }, index) => [name, credits[index]]));
        credits = candidates.map(({ name }) => kept.get(name) ?? 0);
        known = candidates;
      }
      let total = 0;
      let best = -1;
      for (let index = 0; index < candidates.length; index++) {
        const candidate = candidates[index];
        if (!candidate?.usable) continue;
        total += candidate.weight;
        const credit = (credits[index] ?? 0) + candidate.weight;
        credits[index] = credit;
        if (best < 0 || credit > (credits[best] ?? 0)) best = index;
      }
      if (best >= 0) credits[best] = (credits[best] ?? 0) - total;
      return candidates[best];
    },
  };
}
