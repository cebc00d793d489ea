/**
 * HashRing (ConsistentHash): each endpoint has points on a ring of 32-bit hashes, as many as its weight says; a session
 * goes to the endpoint of the first point at or behind its key's hash. When one of n endpoints goes, only its sessions,
 * about 1/n, move.
 */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';
import { hash32 } from './hash.ts';
import type { KeyOf } from './key.ts';
import { pickRandom } from './random.ts';

/** `points`: points of an endpoint of weight 1. `random` gives numbers from 0 up to 1. */
export function createHashRing(key: KeyOf, points: number, random: () => number = Math.random): LoadBalancer {
  let known: readonly Candidate[] | undefined;
  let ring: Ring = { hashes: new Uint32Array(0), owners: new Uint32Array(0) };
  return {
    pick(candidates, metadata) {
      const text = key(metadata);
      if (text === undefined) return pickRandom(candidates, random);
      if (known !== candidates) {
        ring = buildRing(candidates, points);
        known = candidates;
      }
      // Behind an unusable endpoint's points stand those of any of the others: its sessions are spread among them.
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
  readonly owners: Uint32Array;
}

/** The most points of a ring, give or take one for each endpoint: it is made anew within some 30 ms. */
const MAX_POINTS = 2 ** 17;
/** Above every index: a hash times this, plus an index, is exact as a double (32 and 21 bits). */
const INDEXES = 2 ** 21;

function buildRing(candidates: readonly Candidate[], points: number): Ring {
  const total = candidates.reduce((sum, { weight }) => sum + weight * points, 0);
  // Halved until it fits: a scale that followed the total would move points whenever an endpoint comes or goes.
  const scale = total > MAX_POINTS ? 2 ** Math.floor(Math.log2(MAX_POINTS / total)) : 1;
  const counts = candidates.map(({ weight }) => Math.max(1, Math.round(weight * points * scale)));
  // Both in one number, so that they are sorted without an object for each point.
  const placed = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  candidates.forEach(({ hashKey }, index) => {
    for (let point = 0; point < (counts[index] ?? 0); point++) {
      placed[at++] = hash32(`${hashKey}#${point}`) * INDEXES + index;
    }
  });
  placed.sort();
  return {
    hashes: Uint32Array.from(placed, (each) => Math.floor(each / INDEXES)),
    owners: Uint32Array.from(placed, (each) => each % INDEXES),
  };
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
