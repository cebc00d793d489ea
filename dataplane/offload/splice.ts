/**
 * One pair of TCP connections on its way into the kernel, and back.
 *
 * ```
 *   observe ──▶ narrow ──▶ quiesce ──▶ freeze ──▶ spliced ──▶ closed, for a while ──▶ gone
 *      ▲           │          │          │  ▲
 *      │           ▼          ▼          ▼  │ not all acknowledged in time, or half-closed
 *      └─────── not in time: refused    drain ──▶ hold ──▶ user
 * ```
 *
 * - observe: the program records both ends until each was heard.
 * - narrow: peers use up their windows, and get no new ones; all of it is relayed. Who is in no hurry may have some left.
 * - quiesce: nothing is read, until both peers have what was sent to them.
 * - freeze: what still comes is cut off, what came is read and sent on, until nothing waits anywhere.
 * - drain: what was relayed has to be acknowledged, what is new has to wait.
 * - hold: nothing passes while both sockets are moved to where their peers are.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { OffloadRefusal, PairTraffic } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Position } from '../sockets/native/tcp-repair.ts';
import { ANY, NO_EXIST } from './bpf.ts';
import type { Counted } from './flow-table.ts';
import { encodeStream, type Half, HALF_FLAG, type Shift, type StreamWay } from './layout.ts';
import type { Leg } from './leg.ts';
import type { Plan } from './plan.ts';
import { refuse, type ResolvedWay } from './routes.ts';
import type { StreamTable } from './stream-table.ts';

/** How long each step may take, in ms, before it is given up. */
export interface SpliceLimits {
  readonly narrow: number;
  readonly quiesce: number;
  readonly freeze: number;
  readonly drain: number;
}

export type SpliceState =
  'observe' | 'narrow' | 'quiesce' | 'freeze' | 'spliced' | 'drain' | 'hold' | 'closed' | 'user';

/** How often a step looks, in ms. */
const LOOK = { observe: 20, narrow: 1, quiesce: 1, freeze: 1 };
/** How long programs may still be at a packet that they have found the old state for, in ms. */
const GRACE = 1;
/** How far beyond a window sequence numbers may be, in bytes: windows grow while they are on their way. */
const REACH = 2 ** 20;
/** How far what was observed may be from where sockets are. */
const REACH_OBSERVED = 2 ** 24;
const RANGE = 2 ** 32;
const UNKNOWN: Half = { next: 0, acked: 0, window: 0, value: 0, fin: 0, flags: 0 };
const NO_SHIFT: Shift = { sequence: 0, ack: 0, value: 0, echo: 0 };

/** What comes from one end. */
interface Direction {
  slot: number;
  /** `struct stream`, as it is in the slot. */
  stream: Buffer;
  flow: Buffer;
  way: ResolvedWay;
  state: StreamWay;
  /** What the slots before have counted. */
  before: Counted;
}

type Two<T> = readonly [T, T];

export class Splice {
  readonly legs: Two<Leg>;
  state: SpliceState = 'observe';
  private readonly table: StreamTable;
  private readonly limits: SpliceLimits;
  /** Whether nothing is between both streams. */
  private readonly isDrained: () => boolean;
  private readonly pair: number;
  private directions: Two<Direction> | undefined;
  /** Where the ends were when they were spliced; undefined: they weren't yet. */
  private start: Two<number> | undefined;
  private isAborted = false;
  private aborted: Promise<void> | undefined;

  /** From the client and from upstream. @throws ProxyError */
  constructor(table: StreamTable, legs: Two<Leg>, plan: Plan, limits: SpliceLimits, isDrained: () => boolean) {
    this.table = table;
    this.legs = legs;
    this.limits = limits;
    this.isDrained = isDrained;
    const pair = table.addPair([UNKNOWN, UNKNOWN]);
    if (pair === undefined) throw new ProxyError('INTERNAL', 'expected room for a pair, found none');
    this.pair = pair;
    try {
      this.directions = this.publish(plan);
    } catch (error) {
      table.retirePair(pair);
      throw error;
    }
  }

  get ways(): readonly ResolvedWay[] {
    return (this.directions ?? []).map(({ way }) => way);
  }

  /** Resolves when the kernel relays it, or with why it doesn't: then nothing of it is left in the kernel. It never rejects. */
  async handOver(): Promise<OffloadRefusal | undefined> {
    const going = this.tryHandOver().catch((error: unknown) => refuse('error', ProxyError.from(error).message));
    this.aborted = going.then(() => undefined);
    const refusal = await going;
    if (refusal) {
      for (const leg of this.legs) {
        leg.thaw();
        leg.widen();
        leg.startReading();
      }
      this.discard();
    }
    return refusal;
  }

  /** Ends a hand-over that is not yet done. */
  async abort(): Promise<void> {
    this.isAborted = true;
    await this.aborted;
    this.isAborted = false;
  }

  private async tryHandOver(): Promise<OffloadRefusal | undefined> {
    const isHeard = (): boolean => this.halves.every(({ flags }) => flags & HALF_FLAG.seen);
    const observed = await this.until(isHeard, LOOK.observe);
    if (observed) return observed;
    this.state = 'narrow';
    for (const leg of this.legs) leg.narrow();
    // What is on its way when nothing is taken any more has to be sent again, and whoever has sent a whole window waits for a
    // timer before it does: 200 ms. So there shall be little. Where there is more in the end, so be it.
    await this.until(() => this.legs.every((leg) => leg.isNarrow), LOOK.narrow, this.limits.narrow);
    this.state = 'quiesce';
    const isSent = (): boolean => {
      // Again and again: whoever was held back until there was room begins to read.
      for (const leg of this.legs) leg.stopReading();
      return this.legs.every((leg) => leg.isSent);
    };
    const quiesced = await this.until(isSent, LOOK.quiesce, this.limits.quiesce);
    if (quiesced) return quiesced;
    this.state = 'freeze';
    for (const leg of this.legs) {
      leg.freeze();
      leg.startReading();
    }
    // Twice: a packet may have passed just before.
    let quiet = 0;
    const isQuiet = (): boolean => {
      quiet = this.legs.every((leg) => leg.isQuiet) && this.isDrained() ? quiet + 1 : 0;
      return quiet >= 2;
    };
    const frozen = await this.until(isQuiet, LOOK.freeze, this.limits.freeze);
    return frozen ?? this.join();
  }

  /** Both sockets are left as they are, and the kernel goes on from there. */
  private join(): OffloadRefusal | undefined {
    const giveUp = (): void => this.legs.forEach((leg) => leg.unhalt());
    try {
      const [client, upstream] = this.legs;
      const fault = this.connect([client.halt(), upstream.halt()]);
      if (fault) giveUp();
      return fault;
    } catch (error) {
      giveUp();
      throw error;
    }
  }

  private connect(positions: Two<Position>): OffloadRefusal | undefined {
    const fault = this.fault(positions);
    if (fault) return fault;
    const seen = this.halves;
    const half = (side: 0 | 1): Half => ({
      ...UNKNOWN,
      next: positions[side].receive,
      acked: positions[side].send,
      // What the other end may send, as our socket has told it.
      window: Math.max(seen[side].window, positions[other(side)].receiveWindow),
      value: seen[side].value,
    });
    this.table.writePair(this.pair, [half(0), half(1)]);
    this.start = [positions[0].receive, positions[1].receive];
    // Answers find their way before there can be any.
    for (const side of [1, 0] as const) {
      this.change(side, { shift: shiftOf(positions, seen, side), reach: REACH });
      this.change(side, { state: 'spliced' });
    }
    for (const leg of this.legs) leg.park();
    for (const leg of this.legs) leg.ask();
    this.state = 'spliced';
    return undefined;
  }

  /** What was observed has to be of these very connections. */
  private fault(positions: Two<Position>): OffloadRefusal | undefined {
    for (const side of [0, 1] as const) {
      const [half, { receive, send }] = [this.halves[side], positions[side]];
      if (distance(half.next, receive) > REACH_OBSERVED || distance(half.acked, send) > REACH_OBSERVED) {
        const found = `${half.next} and ${half.acked}`;
        return refuse('state', `expected sequence numbers near ${receive} and ${send}, observed ${found}`);
      }
      if (this.direction(side).state.timestamps && !(half.flags & HALF_FLAG.timestamp)) {
        return refuse('state', 'expected timestamps in what was observed, found none');
      }
    }
    return undefined;
  }

  /** Whether both ends have closed, or one was reset. */
  get end(): 'closed' | 'reset' | undefined {
    if (this.state !== 'spliced') return undefined;
    const { halves } = this;
    if (halves.some(({ flags }) => flags & HALF_FLAG.reset)) return 'reset';
    return ([0, 1] as const).every((side) => this.isClosed(side, halves)) ? 'closed' : undefined;
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
  async takeBack(): Promise<OffloadRefusal | undefined> {
    if (this.state !== 'spliced') return refuse('state', `expected a spliced pair, found it in ${this.state}`);
    const goOn = (refusal: OffloadRefusal): OffloadRefusal => {
      for (const side of [0, 1] as const) this.change(side, { state: 'spliced' });
      this.state = 'spliced';
      return refusal;
    };
    this.state = 'drain';
    for (const side of [0, 1] as const) this.change(side, { state: 'drain' });
    await delay(GRACE);
    const late = await this.until(
      () => ([0, 1] as const).every((side) => this.isAcked(side)),
      GRACE,
      this.limits.drain,
    );
    if (late) return goOn(late);
    const drained = this.halves;
    if (drained.some(({ flags }) => flags & (HALF_FLAG.fin | HALF_FLAG.reset))) {
      return goOn(refuse('state', 'expected an open connection, found it half-closed'));
    }
    this.state = 'hold';
    for (const side of [0, 1] as const) this.change(side, { state: 'hold' });
    await delay(GRACE);
    this.rebuild(this.halves);
    this.state = 'user';
    return undefined;
  }

  private rebuild(halves: Two<Half>): void {
    for (const side of [0, 1] as const) {
      const [own, peer] = [halves[side], halves[other(side)]];
      this.legs[side].move({
        send: own.acked,
        receive: own.next,
        // The next tick of the clock that it has seen last.
        clock: add(peer.value, this.direction(other(side)).state.shift.value, 1),
        sendWindow: own.window,
        receiveWindow: peer.window,
      });
    }
    this.withdraw();
    for (const leg of this.legs) {
      leg.wake();
      leg.startReading();
    }
  }

  /** Both ends are done: what comes late is still relayed until `discard`. */
  close(): void {
    this.state = 'closed';
  }

  /** Nothing is relayed any more. */
  discard(): void {
    if (!this.directions) return;
    this.withdraw();
    for (const { slot } of this.directions) this.table.flows.retire(slot);
    this.directions = undefined;
    this.table.retirePair(this.pair);
  }

  get traffic(): PairTraffic {
    const { halves, start } = this;
    const counted = ([0, 1] as const).map((side) => {
      const { slot, before } = this.direction(side);
      const now = this.table.flows.count(slot);
      const [packets, relayed] = [before.packets + now.packets, before.bytes + now.bytes];
      const { next, flags } = halves[side];
      const end = flags & HALF_FLAG.fin ? next - 1 : next;
      const bytes = start ? streamBytes(relayed, add(end, -start[side])) : 0;
      return { packets, bytes, lastSeen: Math.max(before.lastSeen, now.lastSeen) };
    });
    const [client, upstream] = counted as [Counted, Counted];
    const lastSeen = Math.max(client.lastSeen, upstream.lastSeen);
    return {
      fromClient: { packets: client.packets, bytes: client.bytes },
      fromUpstream: { packets: upstream.packets, bytes: upstream.bytes },
      lastSeen: lastSeen === 0 ? undefined : lastSeen / 1e6 - clockOffset(),
    };
  }

  /** The ways out have changed. @throws ProxyError */
  move(plan: Plan): void {
    [plan.fromClient, plan.fromUpstream].forEach(({ flow, way }, side) => {
      const direction = this.direction(side as 0 | 1);
      if (direction.flow.equals(flow)) return;
      const stream = encodeStream(flow, direction.state);
      const slot = this.table.flows.add(stream);
      if (slot === undefined) throw new ProxyError('INTERNAL', 'expected a free slot, found none');
      const result = this.table.flows.publish(stream, slot, ANY);
      if (result < 0) {
        this.table.flows.retire(slot);
        throw new ProxyError('INTERNAL', `expected the flow to change, found errno ${-result}`);
      }
      const now = this.table.flows.count(direction.slot);
      const { before } = direction;
      this.table.flows.retire(direction.slot);
      Object.assign(direction, {
        slot,
        stream,
        flow,
        way,
        before: {
          packets: before.packets + now.packets,
          bytes: before.bytes + now.bytes,
          lastSeen: Math.max(before.lastSeen, now.lastSeen),
        },
      });
    });
  }

  private get halves(): Two<Half> {
    return this.table.readPair(this.pair);
  }

  /** Whether the other end has acknowledged all that this one has sent. */
  private isAcked(side: 0 | 1, halves = this.halves): boolean {
    return halves[other(side)].acked === add(halves[side].next, this.direction(side).state.shift.sequence);
  }

  private isClosed(side: 0 | 1, halves: Two<Half>): boolean {
    return (halves[side].flags & HALF_FLAG.fin) !== 0 && this.isAcked(side, halves);
  }

  private direction(side: 0 | 1): Direction {
    const direction = this.directions?.[side];
    if (!direction) throw new ProxyError('INTERNAL', `expected a pair in the kernel, found it in ${this.state}`);
    return direction;
  }

  private publish({ fromClient, fromUpstream }: Plan): Two<Direction> {
    const infos = this.legs.map(({ info }) => info);
    const { flows } = this.table;
    const made: Direction[] = [];
    try {
      [fromClient, fromUpstream].forEach(({ flow, way }, side) => {
        const state: StreamWay = {
          pair: this.pair,
          side: side as 0 | 1,
          state: 'observe',
          timestamps: infos[side]?.timestamps ?? false,
          sack: infos[side]?.sack ?? false,
          scale: infos[side]?.peerScale ?? 0,
          scaleAfter: infos[1 - side]?.ownScale ?? 0,
          shift: NO_SHIFT,
          reach: REACH_OBSERVED,
        };
        const stream = encodeStream(flow, state);
        const slot = flows.add(stream);
        if (slot === undefined) throw new ProxyError('INTERNAL', 'expected a free slot, found none');
        const result = flows.publish(stream, slot, NO_EXIST);
        if (result < 0) {
          flows.retire(slot);
          throw new ProxyError('INTERNAL', `expected a new flow, found errno ${-result}`);
        }
        made.push({ slot, stream, flow, way, state, before: { packets: 0, bytes: 0, lastSeen: 0 } });
      });
    } catch (error) {
      for (const { slot, stream } of made) {
        flows.withdraw(stream);
        flows.retire(slot);
      }
      throw error;
    }
    return made as [Direction, Direction];
  }

  /** In place: what packets may find of it meanwhile is the old state or the new one. */
  private change(side: 0 | 1, change: Partial<StreamWay>): void {
    const direction = this.direction(side);
    direction.state = { ...direction.state, ...change };
    direction.stream = encodeStream(direction.flow, direction.state);
    this.table.flows.rewrite(direction.slot, direction.stream);
  }

  private withdraw(): void {
    for (const { stream } of this.directions ?? []) this.table.flows.withdraw(stream);
  }

  /** Undefined when `look` holds; or why it is given up. */
  private async until(look: () => boolean, interval: number, limit = Infinity): Promise<OffloadRefusal | undefined> {
    const deadline = performance.now() + limit;
    for (;;) {
      if (this.isAborted) return refuse('state', 'expected a session to be handed over, found it ending');
      if (!this.legs.every(({ info }) => info)) return refuse('state', 'expected open connections, found one closed');
      if (look()) return undefined;
      if (performance.now() > deadline) {
        return refuse('state', `expected ${this.state} to take ${limit} ms at most, found it unfinished`);
      }
      await delay(interval, undefined, { ref: false });
    }
  }
}

function other(side: 0 | 1): 0 | 1 {
  return side === 0 ? 1 : 0;
}

/** Modulo 2^32. */
function add(...numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => (sum + number) >>> 0, 0);
}

function distance(a: number, b: number): number {
  return Math.abs((a - b) | 0);
}

/** What is added to the numbers of what comes from one end. */
function shiftOf(positions: Two<Position>, seen: Two<Half>, side: 0 | 1): Shift {
  const [from, to] = [positions[side], positions[other(side)]];
  return {
    sequence: add(to.send, -from.receive),
    ack: add(to.receive, -from.send),
    value: add(to.clock, -seen[side].value),
    echo: add(seen[other(side)].value, -from.clock),
  };
}

/** Bytes of the stream: those that were relayed, less what came again; `difference`: of sequence numbers, modulo 2^32. */
function streamBytes(relayed: number, difference: number): number {
  const again = add(relayed % RANGE, -difference);
  return again > RANGE / 2 ? relayed + RANGE - again : relayed - again;
}

/** CLOCK_MONOTONIC less performance.now(), in ms. */
function clockOffset(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
