/** How long streams stood still around moments in which what relays them changed. */
import { Samples } from './load/samples.ts';
import type { Move } from './load/splice-relay.ts';
import type { Gap, GapsResult } from './load/tcp-gaps.ts';

/** A stream that waits for what was lost at a change stands still by then, in ms. */
const AFTER_MS = 10;

/** The longest gap of each end around each move, in ms: median and p99. */
export function standstills({ client, server }: GapsResult, moves: readonly Move[]): readonly [number, number] {
  const samples = new Samples(moves.length * 2);
  for (const { from, to } of moves) {
    for (const gaps of [client, server]) samples.add(longest(gaps, from, to + AFTER_MS));
  }
  const [p50 = NaN, p99 = NaN] = samples.quantiles(0.5, 0.99);
  return [p50, p99];
}

/** 0: none was long enough to be kept. */
function longest(gaps: readonly Gap[], from: number, to: number): number {
  return gaps
    .filter((gap) => gap.to >= from && gap.from <= to)
    .reduce((most, gap) => Math.max(most, gap.to - gap.from), 0);
}
