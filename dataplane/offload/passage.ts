/** A pair of connections between user space and the kernel: what both ways, the one in and the one back, work on. */
import type { OffloadRefusal } from '../core/offload.ts';
import type { Leg } from './leg.ts';
import type { StreamPair, Two } from './stream-pair.ts';

/** How long each step may take, in ms, before it is given up. */
export interface SpliceLimits {
  /** For what waits between both ends to become little, where a reader is slow. */
  readonly catchUp: number;
  readonly narrow: number;
  readonly freeze: number;
  /** For the last segments before it to be acknowledged. */
  readonly acked: number;
  readonly drain: number;
}

export type SpliceState =
  'observe' | 'catchUp' | 'narrow' | 'freeze' | 'spliced' | 'drain' | 'hold' | 'closed' | 'user';

export interface Passage {
  readonly legs: Two<Leg>;
  readonly pair: StreamPair;
  readonly limits: SpliceLimits;
  state: SpliceState;
  /**
   * Undefined when `look` holds; or why it is given up. It looks every `interval` ms; where that is less than 1, for a
   * while, in which the thread rests, and then every ms.
   */
  until(look: () => boolean, interval: number, limit?: number): Promise<OffloadRefusal | undefined>;
}
