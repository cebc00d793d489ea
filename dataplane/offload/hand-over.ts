/**
 * The way of a pair of TCP connections into the kernel.
 *
 * - observe: the program records both ends until each was heard.
 * - catchUp: who is further ahead of the other end is told of no window, until neither is ahead by much.
 * - narrow: nobody is told of a window any more, and what is on its way is read and sent on, until nothing is.
 * - freeze: what comes all the same is cut off, until nothing waits anywhere.
 */
import type { OffloadRefusal } from '../core/offload.ts';
import type { FoundPosition } from '../sockets/native/tcp-repair.ts';
import type { Leg } from './leg.ts';
import { type Half, HALF_FLAG, type Shift } from './layout.ts';
import type { Passage } from './passage.ts';
import { refuse } from './routes.ts';
import { add, distance, isReached } from './sequence.ts';
import { roundTripOf, stillness } from './silence.ts';
import { other, type Side, SIDES, type Two, UNKNOWN } from './stream-pair.ts';

/** How often a step looks, in ms. */
const LOOK = { observe: 20, catchUp: 1, narrow: 0, freeze: 0, acked: 1 };
/** What is read of one end at a time, at most, in bytes: libuv reads 32 times 64 KiB. */
const TURN = 2 ** 21;
/** Bytes that may wait when neither end gets a window any more. */
const LITTLE = 64 * 1024;
/** How long nothing has to come at least for nothing to be on its way, in ms. */
const SILENCE = 1;
/** How far beyond a window sequence numbers may be, in bytes: windows grow while they are on their way. */
const REACH = 2 ** 20;
/** How far what was observed may be from where sockets are. */
export const REACH_OBSERVED = 2 ** 24;

/** The kernel relays it. */
export interface HandedOver {
  /**
   * Resolves when the last that sockets had sent was acknowledged, and they know of it, or not in time. Rejects with a ProxyError
   * where they can't be told.
   */
  readonly acked: Promise<void>;
}

/**
 * Hands a pair over, or says why it stays. `settle` takes away what is between both streams, as soon as it can, and tells
 * whether nothing is: it is not called before the freeze, as what it does stays done.
 *
 * @throws ProxyError
 */
export async function handOver(passage: Passage, settle: () => boolean): Promise<OffloadRefusal | HandedOver> {
  const { legs, pair, limits } = passage;
  const isHeard = (): boolean => pair.halves.every(({ flags }) => flags & HALF_FLAG.seen);
  const observed = await passage.until(isHeard, LOOK.observe);
  if (observed) return observed;
  passage.state = 'catchUp';
  const narrow = (side: Side): void => {
    if (!pair.isNarrow(side)) pair.change(side, { state: 'narrow' });
  };
  const isLittle = (): boolean => {
    const [client, upstream] = SIDES.map((side) => legs[side].unread + legs[other(side)].unsent) as [number, number];
    if (Math.max(client, upstream) <= LITTLE) return true;
    // Both come to an end at about the same time: who is done first has to wait.
    if (client + TURN / 2 >= upstream) narrow(0);
    if (upstream + TURN / 2 >= client) narrow(1);
    return false;
  };
  const caughtUp = await passage.until(isLittle, LOOK.catchUp, limits.catchUp);
  if (caughtUp) return caughtUp;
  passage.state = 'narrow';
  SIDES.forEach(narrow);
  // What is on its way when nothing is taken any more has to be sent again, and whoever has sent a whole window waits for a
  // timer before it does: 200 ms. So there shall be nothing.
  const hasEnded = silence(legs);
  const narrowed = await passage.until(
    () => hasEnded() && legs.every((leg) => leg.isQuiet),
    LOOK.narrow,
    limits.narrow,
  );
  if (narrowed) return narrowed;
  passage.state = 'freeze';
  for (const leg of legs) leg.freeze();
  // Twice: a packet may have passed just before.
  let quiet = 0;
  const isQuiet = (): boolean => {
    quiet = legs.every((leg) => leg.isQuiet) && settle() ? quiet + 1 : 0;
    return quiet >= 2;
  };
  const frozen = await passage.until(isQuiet, LOOK.freeze, limits.freeze);
  return frozen ?? join(passage);
}

/** Whether nothing has come from either for as long as what is on its way may take. */
function silence(legs: Two<Leg>): () => boolean {
  const both = legs.map((leg) => ({ leg, still: stillness(() => leg.info?.received) }));
  return () => both.every(({ leg, still }) => still() >= roundTripOf(leg, SILENCE));
}

/** Both sockets are left as they are, and the kernel goes on from there. */
function join(passage: Passage): OffloadRefusal | HandedOver {
  const { legs } = passage;
  const giveUp = (): void => legs.forEach((leg) => leg.unhalt());
  let positions: Two<FoundPosition>;
  try {
    positions = [legs[0].halt(), legs[1].halt()];
    const fault = connect(passage, positions);
    if (fault) {
      giveUp();
      return fault;
    }
  } catch (error) {
    giveUp();
    throw error;
  }
  return { acked: forgetAcked(passage, positions) };
}

/** It is relayed. Sockets don't see what is acknowledged from now on, and would send it again. @throws ProxyError */
async function forgetAcked(passage: Passage, positions: Two<FoundPosition>): Promise<void> {
  const { legs, pair, limits } = passage;
  const isAcked = (): boolean => {
    const { halves } = pair;
    return SIDES.every((side) => isReached(positions[side].send, halves[side].acked));
  };
  const unacked = await passage.until(isAcked, LOOK.acked, limits.acked);
  if (!unacked) for (const side of SIDES) legs[side].forget(positions[side]);
}

function connect(passage: Passage, positions: Two<FoundPosition>): OffloadRefusal | undefined {
  const fault = faultOf(passage, positions);
  if (fault) return fault;
  const { legs, pair } = passage;
  const seen = pair.halves;
  const half = (side: Side): Half => ({
    ...UNKNOWN,
    next: positions[side].receive,
    acked: positions[side].acked,
    // What the other end may send, as our socket has told it.
    window: Math.max(seen[side].window, positions[other(side)].receiveWindow),
    value: seen[side].value,
  });
  pair.begin([half(0), half(1)]);
  // Answers find their way before there can be any.
  for (const side of [1, 0] as const) {
    pair.change(side, { shift: shiftOf(positions, seen, side), reach: REACH });
    pair.change(side, { state: 'spliced' });
  }
  for (const leg of legs) leg.park();
  for (const leg of legs) leg.ask();
  passage.state = 'spliced';
  return undefined;
}

/** What was observed has to be of these very connections. */
function faultOf({ pair }: Passage, positions: Two<FoundPosition>): OffloadRefusal | undefined {
  for (const side of SIDES) {
    const [half, { receive, send }] = [pair.halves[side], positions[side]];
    if (distance(half.next, receive) > REACH_OBSERVED || distance(half.acked, send) > REACH_OBSERVED) {
      const found = `${half.next} and ${half.acked}`;
      return refuse('state', `expected sequence numbers near ${receive} and ${send}, observed ${found}`);
    }
    if (pair.stateOf(side).timestamps && !(half.flags & HALF_FLAG.timestamp)) {
      return refuse('state', 'expected timestamps in what was observed, found none');
    }
  }
  return undefined;
}

/** What is added to the numbers of what comes from one end. */
function shiftOf(positions: Two<FoundPosition>, seen: Two<Half>, side: Side): Shift {
  const [from, to] = [positions[side], positions[other(side)]];
  return {
    sequence: add(to.send, -from.receive),
    ack: add(to.receive, -from.send),
    value: add(to.clock, -seen[side].value),
    echo: add(seen[other(side)].value, -from.clock),
  };
}
