/**
 * The way of a pair of TCP connections out of the kernel: to its sockets, which go on, or to its end.
 *
 * - drain: nobody is told of a window any more; both have heard that, and what is on its way is acknowledged.
 * - hold: nothing passes while both sockets are moved to where their peers are.
 * - widen: the sockets have it again, and tell their peers of windows.
 */
import type { OffloadRefusal } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import { rest } from '../sockets/native/libc.ts';
import type { Position } from '../sockets/native/tcp-repair.ts';
import { type Half, HALF_FLAG } from './layout.ts';
import type { Passage } from './passage.ts';
import { refuse } from './routes.ts';
import { add } from './sequence.ts';
import { roundTripOf } from './silence.ts';
import { other, type Side, SIDES, type StreamPair, type Two } from './stream-pair.ts';

/** How long programs may still be at a packet that they have found the old state for, in ms. */
const GRACE = 0.2;

/**
 * Between two looks, in ms. The thread rests, where it could look again at once: who has slept comes before the compilers and collectors
 * of its own process, which take 4 ms of a processor (a tick at 250 Hz) from who never sleeps.
 */
const LOOK = 0.03;

/**
 * How long all has to be acknowledged, in ms: of ends that were told of no window, a round trip, and so long at least; of others, who have
 * nothing to say, longer.
 */
const TOLD = 0.3;
const UNTOLD = 5;

/** Undefined: the sockets go on; or why that isn't possible now, and the kernel still relays it. @throws ProxyError where they are lost */
export async function takeBack(passage: Passage): Promise<OffloadRefusal | undefined> {
  const { legs, pair, limits } = passage;
  if (passage.state !== 'spliced') return refuse('state', `expected a spliced pair, found it in ${passage.state}`);
  const enter = (state: 'drain' | 'hold' | 'spliced'): void => {
    passage.state = state;
    pair.changeBoth({ state });
  };
  const isAcked = (): boolean => {
    const { halves } = pair;
    return SIDES.every((side) => pair.isAcked(side, halves));
  };
  const drain = async (): Promise<OffloadRefusal | undefined> => {
    for (const deadline = performance.now() + limits.drain; ;) {
      const isCalm = calm(passage, isAcked);
      enter('drain');
      // Their answers tell each other of it, and acknowledge what they would let wait.
      for (const leg of legs) leg.ask();
      const late = await passage.until(isCalm, LOOK, deadline - performance.now());
      if (late) return late;
      enter('hold');
      // From here on nobody else has a turn: both ends wait.
      rest(GRACE);
      // Who was silent until then had a window, and may have used it.
      if (isAcked()) return undefined;
    }
  };
  const late = await drain();
  const isOpen = pair.halves.every(({ flags }) => !(flags & (HALF_FLAG.fin | HALF_FLAG.reset)));
  if (late || !isOpen) {
    enter('spliced');
    // What they answer has windows, and is relayed.
    for (const leg of legs) leg.ask();
    return late ?? refuse('state', 'expected an open connection, found it half-closed');
  }
  const { halves } = pair;
  for (const side of SIDES) legs[side].move(positionOf(pair, halves, side));
  // Peers answer at once, to the sockets.
  pair.changeBoth({ state: 'widen' });
  for (const leg of legs) leg.wake();
  pair.withdraw();
  passage.state = 'user';
  return undefined;
}

/**
 * Whether both ends have been told of no window, and all that they have sent was acknowledged for as long as more may be on its way. Who
 * has not been told may send as soon as it has its turn, and what is dropped then is sent again after 200 ms.
 */
function calm({ legs, pair }: Passage, isAcked: () => boolean): () => boolean {
  const start = pair.relayed;
  let since = performance.now();
  return () => {
    const now = performance.now();
    if (!isAcked()) since = now;
    const { relayed } = pair;
    // What is relayed of one tells the other.
    const isTold = SIDES.every((side) => relayed[side] > start[side]);
    const least = isTold ? Math.max(...legs.map((leg) => roundTripOf(leg, TOLD))) : UNTOLD;
    return now - since >= least;
  };
}

/** Its sockets, once they are closed, tell both ends that nothing comes any more: by a reset with the numbers that those expect. */
export function cutOff(passage: Passage): void {
  const { legs, pair } = passage;
  if (passage.state !== 'hold') pair.changeBoth({ state: 'hold' });
  passage.state = 'hold';
  const { halves } = pair;
  for (const side of SIDES) {
    try {
      legs[side].cut(positionOf(pair, halves, side));
    } catch (error) {
      // Who can't be told now is told when it sends.
      if (!(error instanceof ProxyError)) throw error;
    }
  }
}

/** Behind all that was sent to its peer, acknowledged or not: a reset from there is believed, or asked about, but never too old. */
function positionOf(pair: StreamPair, halves: Two<Half>, side: Side): Position {
  const [own, peer] = [halves[side], halves[other(side)]];
  return {
    send: pair.sentBy(other(side), halves),
    receive: own.next,
    // The next tick of the clock that it has seen last.
    clock: add(peer.value, pair.stateOf(other(side)).shift.value, 1),
    sendWindow: own.window,
    receiveWindow: peer.window,
  };
}
