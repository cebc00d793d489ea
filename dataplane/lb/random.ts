/** Random: any usable endpoint, by weight. */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';

/** `random` gives numbers from 0 up to 1. */
export function createRandom(random: () => number = Math.random): LoadBalancer {
  return { pick: (candidates) => pickRandom(candidates, random) };
}

export function pickRandom<E extends Candidate>(candidates: readonly E[], random: () => number): E | undefined {
  let total = 0;
  for (const { usable, weight } of candidates) if (usable) total += weight;
  let point = random() * total;
  for (const candidate of candidates) {
    if (!candidate.usable) continue;
    point -= candidate.weight;
    if (point < 0) return candidate;
  }
  return undefined;
}
