/**
 * HashRing (ConsistentHash): each endpoint has points on a ring of 32-bit hashes, as many as its weight says; a session
 * goes to the endpoint of the first point at or behind its key's hash. When one of n endpoints goes, only its sessions,
 * about 1/n, move.
 */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';
import { hash32 } from './hash.ts';
import type { KeyOf } from './key.ts';
import { pickRandom } from './random.ts';

/** `points`: points of an endpoint with the least weight. */
export function createHashRing(key: KeyOf, points: number, random: () => number = Math.random): LoadBalancer {
  let known: readonly Candidate[] | undefined;
  let ring: Ring = { hashes: new Uint32Array(0), owners: [] };
  return {
    pick(candidates, metadata) {
      const text = key(metadata);
      if (text === undefined) return pickRandom(candidates, random);
      if (known !== candidates) {
        ring = buildRing(candidates, points);
        known = candidates;
      }
      const { hashes, owners } = ring;
      const start = firstAtOrAfter(hashes, hash32(text));
      for (let step = 0; step < hashes.length; step++) {
        const candidate = candidates[owners[(start + step) % hashes.length] ?? 0];
        if (candidate?.usable) return candidate;
      }
      return undefined;
    },
  };
}

interface Ring {
  /** Sorted. */
  readonly hashes: Uint32Array;
  /** The candidate's index for each point. */
  readonly owners: readonly number[];
}

/** The most points of a whole ring: weights far apart are scaled down to fit. */
const MAX_POINTS = 1_000_000;

function buildRing(candidates: readonly Candidate[], points: number): Ring {
  const least = Math.min(...candidates.map(({ weight }) => weight));
  const total = candidates.reduce((sum, { weight }) => sum + (weight / least) * points, 0);
  const scale = Math.min(1, MAX_POINTS / total);
  const placed = candidates.flatMap(({ name, weight }, index) => {
    const count = Math.max(1, Math.round((weight / least) * points * scale));
    return Array.from({ length: count }, (_, point) => ({ hash: hash32(`${name}#${point}`), index }));
  });
  placed.sort((a, b) => a.hash - b.hash || a.index - b.index);
  return { hashes: Uint32Array.from(placed, ({ hash }) => hash), owners: placed.map(({ index }) => index) };
}

/** Binary search; behind the last point comes the first. */
function firstAtOrAfter(hashes: Uint32Array, hash: number): number {
  let low = 0;
  let high = hashes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((hashes[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return low === hashes.length ? 0 : low;
}
