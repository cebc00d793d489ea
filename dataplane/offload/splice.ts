/**
 * One pair of TCP connections on its way into the kernel, and back.
 *
 * ```
 *   observe ──▶ catchUp ──▶ narrow ──▶ freeze ──▶ spliced ──▶ closed, for a while ──▶ gone
 *      ▲           │           │          │         │  ▲
 *      │           ▼           ▼          ▼         ▼  │ not all acknowledged in time, or half-closed
 *      └─────────── not in time: refused           drain ──▶ hold ──▶ user
 * ```
 */
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import type { OffloadRefusal, PairTraffic } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import { rest } from '../sockets/native/libc.ts';
import { type HandedOver, handOver, REACH_OBSERVED } from './hand-over.ts';
import { HALF_FLAG, type Shift, type StreamWay } from './layout.ts';
import type { Leg } from './leg.ts';
import type { Passage, SpliceLimits, SpliceState } from './passage.ts';
import type { Plan } from './plan.ts';
import { refuse, type ResolvedWay } from './routes.ts';
import { other, type Side, SIDES, StreamPair, type Two } from './stream-pair.ts';
import type { StreamTable } from './stream-table.ts';
import { cutOff, takeBack } from './way-back.ts';

/** How long it looks as often as it can, in ms: streams stand still meanwhile, and timers are a millisecond late. */
const EAGER = 5;
const NO_SHIFT: Shift = { sequence: 0, ack: 0, value: 0, echo: 0 };

export class Splice implements Passage {
  readonly legs: Two<Leg>;
  readonly pair: StreamPair;
  readonly limits: SpliceLimits;
  state: SpliceState = 'observe';
  private readonly settle: () => boolean;
  private isAborted = false;
  private aborted: Promise<void> | undefined;

  /** From the client and from upstream. `settle`: the pair's own. @throws ProxyError */
  constructor(table: StreamTable, legs: Two<Leg>, plan: Plan, limits: SpliceLimits, settle: () => boolean) {
    this.legs = legs;
    this.limits = limits;
    this.settle = settle;
    this.pair = new StreamPair(table, plan, [observed(legs, 0), observed(legs, 1)]);
  }

  get ways(): readonly ResolvedWay[] {
    return this.pair.ways;
  }

  get traffic(): PairTraffic {
    return this.pair.traffic;
  }

  /**
   * Resolves when the kernel relays it, or with why it doesn't: then nothing of it is left in the kernel. It never rejects.
   * `attached`: programs see its packets.
   */
  async handOver(attached: Promise<void>): Promise<OffloadRefusal | HandedOver> {
    const going = attached
      .then(() => handOver(this, this.settle))
      .catch((error: unknown) => refuse('error', ProxyError.from(error).message));
    this.aborted = going.then(async (result) => {
      if ('acked' in result) await result.acked.catch(() => undefined); // whoever handed it over hears of it
    });
    const result = await going;
    if ('acked' in result) return result;
    for (const leg of this.legs) leg.thaw();
    for (const side of SIDES) {
      if (!this.pair.isNarrow(side)) continue;
      this.pair.change(side, { state: 'widen' });
      this.legs[side].widen();
    }
    this.discard();
    return result;
  }

  /** Ends a hand-over that is not yet done; resolves when nothing of it goes on. */
  async abort(): Promise<void> {
    this.isAborted = true;
    await this.aborted;
    this.isAborted = false;
  }

  /** Whether both ends have closed, or one was reset. */
  get end(): 'closed' | 'reset' | undefined {
    if (this.state !== 'spliced') return undefined;
    const { halves } = this.pair;
    // A host answers what comes late, or twice, to a connection that it has closed with a reset.
    if (SIDES.every((side) => this.pair.isClosed(side, halves))) return 'closed';
    return halves.some(({ flags }) => flags & HALF_FLAG.reset) ? 'reset' : undefined;
  }

  /** Packets that the kernel could not relay, and the sockets may not take. */
  get unfit(): number {
    return this.legs.reduce((sum, { drops }) => sum + drops, 0);
  }

  /**
   * Back to the sockets, which go on. Resolves with why it isn't possible now: then the kernel still relays it.
   *
   * @throws ProxyError where the sockets are lost
   */
  takeBack(): Promise<OffloadRefusal | undefined> {
    return takeBack(this);
  }

  /** Where the kernel has it, its ends are told that it is over, as soon as its sockets are closed. */
  cutOff(): void {
    if (this.state === 'spliced' || this.state === 'drain' || this.state === 'hold') cutOff(this);
  }

  /** Both ends are done: what comes late is still relayed until `discard`. */
  close(): void {
    this.state = 'closed';
  }

  /** The ways out have changed. @throws ProxyError */
  move(plan: Plan): void {
    this.pair.move(plan);
  }

  /** Nothing is relayed any more. */
  discard(): void {
    this.pair.discard();
  }

  async until(look: () => boolean, interval: number, limit = Infinity): Promise<OffloadRefusal | undefined> {
    const start = performance.now();
    for (;;) {
      if (this.isAborted) return refuse('state', 'expected a session to be handed over, found it ending');
      if (!this.legs.every(({ info }) => info)) return refuse('state', 'expected open connections, found one closed');
      if (look()) return undefined;
      const passed = performance.now() - start;
      if (passed > limit) {
        return refuse('state', `expected ${this.state} to take ${Math.ceil(limit)} ms at most, found it unfinished`);
      }
      if (interval < 1 && passed < EAGER) {
        if (interval > 0) rest(interval);
        await immediate();
      } else await delay(Math.max(interval, 1), undefined, { ref: false });
    }
  }
}

/** A way before it is known where its ends are. */
function observed(legs: Two<Leg>, side: Side): Omit<StreamWay, 'pair'> {
  const [from, to] = [legs[side].info, legs[other(side)].info];
  return {
    side,
    state: 'observe',
    timestamps: from?.timestamps ?? false,
    sack: from?.sack ?? false,
    scale: from?.peerScale ?? 0,
    scaleAfter: to?.ownScale ?? 0,
    shift: NO_SHIFT,
    reach: REACH_OBSERVED,
  };
}
