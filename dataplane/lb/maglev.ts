/**
 * Maglev: a table whose slots the endpoints take in turns, each in its own order of preference (Eisenbud et al., NSDI
 * 2016, section 3.4). One look-up a session; a near-perfect balance; little moves when endpoints come and go.
 */
import type { Candidate, LoadBalancer } from '../core/load-balancer.ts';
import { hash32 } from './hash.ts';
import type { KeyOf } from './key.ts';
import { pickRandom } from './random.ts';

/** `size`: the slots of the table; a number that is no prime is rounded up to one. */
export function createMaglev(key: KeyOf, size: number, random: () => number = Math.random): LoadBalancer {
  const slots = nextPrime(size);
  let known: readonly Candidate[] | undefined;
  let table: Int32Array = new Int32Array(0);
  return {
    pick(candidates, metadata) {
      const text = key(metadata);
      if (text === undefined) return pickRandom(candidates, random);
      if (candidates.length === 0) return undefined;
      if (known !== candidates) {
        table = buildTable(candidates, slots);
        known = candidates;
      }
      // What leaves an unusable endpoint is spread over the others by further hashes: neighbouring slots are not
      // independent of each other.
      let slot = 0;
      for (let attempt = 0; attempt < REHASHES; attempt++) {
        slot = hash32(text, SEED + attempt) % slots;
        const candidate = candidates[table[slot] ?? 0];
        if (candidate?.usable) return candidate;
      }
      for (let step = 1; step <= slots; step++) {
        const candidate = candidates[table[(slot + step) % slots] ?? 0];
        if (candidate?.usable) return candidate;
      }
      return undefined;
    },
  };
}

/** Hashes that are tried before slots are walked: unless nearly all endpoints are unusable, one of them hits. */
const REHASHES = 16;
/** Of slots; the hashes of endpoints have others. */
const SEED = 0x6d61_676c;

function buildTable(candidates: readonly Candidate[], slots: number): Int32Array {
  const table = new Int32Array(slots).fill(-1);
  const heaviest = Math.max(...candidates.map(({ weight }) => weight));
  // In an order of their own, so that the order of the configuration doesn't matter.
  const takers = candidates
    .map(({ hashKey, weight }, index) => ({
      hashKey,
      index,
      share: weight / heaviest,
      credit: 0,
      at: hash32(hashKey) % slots,
      skip: (hash32(hashKey, 0x736b_6970) % (slots - 1)) + 1,
    }))
    .sort((a, b) => (a.hashKey < b.hashKey ? -1 : 1));
  for (let filled = 0; filled < slots;) {
    for (const taker of takers) {
      // A weight below the heaviest misses turns.
      taker.credit += taker.share;
      if (taker.credit < 1) continue;
      taker.credit -= 1;
      while (table[taker.at] !== -1) taker.at = (taker.at + taker.skip) % slots;
      table[taker.at] = taker.index;
      if (++filled === slots) break;
    }
  }
  return table;
}

function nextPrime(from: number): number {
  for (let number = Math.max(2, from); ; number++) if (isPrime(number)) return number;
}

function isPrime(number: number): boolean {
  for (let factor = 2; factor * factor <= number; factor++) if (number % factor === 0) return false;
  return true;
}
