/** What balancers pick from, in tests. */
import type { Candidate, LoadBalancer } from '../../../../dataplane/core/load-balancer.ts';

export interface TestCandidate extends Candidate {
  weight: number;
  usable: boolean;
  sessions: number;
}

/** Named e0, e1, …, of these weights. */
export function candidates(...weights: readonly number[]): TestCandidate[] {
  return weights.map((weight, index) => ({
    name: `e${index}`,
    hashKey: `10.0.0.${index}:80`,
    weight,
    usable: true,
    sessions: 0,
  }));
}

/** The names of so many picks, in order. */
export function picks(
  balancer: LoadBalancer,
  from: readonly Candidate[],
  count: number,
  metadata: (index: number) => Record<string, string> = () => ({}),
): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => balancer.pick(from, metadata(index))?.name);
}

/** How often each name stands in a list. */
export function tally(names: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name ?? 'none'] = (counts[name ?? 'none'] ?? 0) + 1;
  return counts;
}

/** Numbers from 0 up to 1 that are the same in every run. */
export function seeded(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
