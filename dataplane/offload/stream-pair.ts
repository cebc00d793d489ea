/** What the kernel has of a pair of connections: a flow for each way, and what is recorded of both ends. */
import type { PairTraffic } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import { ANY, NO_EXIST } from '../kernel/bpf.ts';
import { addCounted, type Counted, NOTHING, trafficOf } from './counted.ts';
import { encodeStream, type Half, HALF_FLAG, type StreamWay } from './layout.ts';
import type { Plan } from './plan.ts';
import type { ResolvedWay } from './routes.ts';
import { add, streamBytes } from './sequence.ts';
import type { StreamTable } from './stream-table.ts';

export type Two<T> = readonly [T, T];
/** The client's, and upstream's. */
export type Side = 0 | 1;
export const SIDES: Two<Side> = [0, 1];

export function other(side: Side): Side {
  return side === 0 ? 1 : 0;
}

export const UNKNOWN: Half = { next: 0, acked: 0, window: 0, value: 0, fin: 0, flags: 0 };

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

export class StreamPair {
  private readonly table: StreamTable;
  private readonly index: number;
  private directions: Two<Direction> | undefined;
  /** Where the ends were when they were spliced; undefined: they weren't yet. */
  private start: Two<number> | undefined;

  /** `states`: of the ways, but for the pair. @throws ProxyError */
  constructor(table: StreamTable, plan: Plan, states: Two<Omit<StreamWay, 'pair'>>) {
    this.table = table;
    const index = table.addPair([UNKNOWN, UNKNOWN]);
    if (index === undefined) throw new ProxyError('INTERNAL', 'expected room for a pair, found none');
    this.index = index;
    try {
      this.directions = this.publish(plan, states);
    } catch (error) {
      table.retirePair(index);
      throw error;
    }
  }

  get ways(): readonly ResolvedWay[] {
    return (this.directions ?? []).map(({ way }) => way);
  }

  get halves(): Two<Half> {
    return this.table.readPair(this.index);
  }

  stateOf(side: Side): StreamWay {
    return this.direction(side).state;
  }

  /** Whether the end is told of no window. */
  isNarrow(side: Side): boolean {
    return this.directions?.[side].state.state === 'narrow';
  }

  /** From these ends on, what is relayed is traffic of theirs. */
  begin(halves: Two<Half>): void {
    this.table.writePair(this.index, halves);
    this.start = [halves[0].next, halves[1].next];
  }

  /** In place: what packets may find of it meanwhile is the old state or the new one. */
  change(side: Side, change: Partial<StreamWay>): void {
    const direction = this.direction(side);
    const state = { ...direction.state, ...change };
    const stream = encodeStream(direction.flow, state);
    // What fails leaves all as it was, and so the count, too.
    this.table.flows.rewrite(direction.slot, stream);
    const before = atEgress(direction);
    Object.assign(direction, { state, stream });
    this.table.countNarrow(atEgress(direction) - before);
  }

  changeBoth(change: Partial<StreamWay>): void {
    for (const side of SIDES) this.change(side, change);
  }

  /** The ways out have changed. @throws ProxyError */
  move(plan: Plan): void {
    for (const side of SIDES) {
      const { flow, way } = side === 0 ? plan.fromClient : plan.fromUpstream;
      const direction = this.direction(side);
      if (direction.flow.equals(flow)) continue;
      const stream = encodeStream(flow, direction.state);
      const { slot } = direction;
      const before = addCounted(direction.before, this.table.flows.count(slot));
      Object.assign(direction, { slot: this.put(stream, ANY), stream, flow, way, before });
      this.table.flows.retire(slot);
    }
  }

  /** Packets of each end that were relayed. */
  get relayed(): Two<number> {
    const count = (side: Side): number => {
      const { slot, before } = this.direction(side);
      return addCounted(before, this.table.flows.count(slot)).packets;
    };
    return [count(0), count(1)];
  }

  /** What one end has sent, in the numbers that the other end has for it. */
  sentBy(side: Side, halves: Two<Half>): number {
    return add(halves[side].next, this.stateOf(side).shift.sequence);
  }

  /** Whether the other end has acknowledged all that this one has sent. */
  isAcked(side: Side, halves: Two<Half>): boolean {
    return halves[other(side)].acked === this.sentBy(side, halves);
  }

  isClosed(side: Side, halves: Two<Half>): boolean {
    return (halves[side].flags & HALF_FLAG.fin) !== 0 && this.isAcked(side, halves);
  }

  get traffic(): PairTraffic {
    const { halves, start } = this;
    const [client, upstream] = SIDES.map((side) => {
      const { slot, before } = this.direction(side);
      const counted = addCounted(before, this.table.flows.count(slot));
      const { next, flags } = halves[side];
      const end = flags & HALF_FLAG.fin ? next - 1 : next;
      return { ...counted, bytes: start ? streamBytes(counted.bytes, add(end, -start[side])) : 0 };
    });
    return trafficOf(client ?? NOTHING, upstream ?? NOTHING);
  }

  /** Packets pass up again. */
  withdraw(): void {
    for (const { stream } of this.directions ?? []) this.table.flows.withdraw(stream);
  }

  /** Nothing of it is left in the kernel. */
  discard(): void {
    if (!this.directions) return;
    this.withdraw();
    for (const direction of this.directions) {
      this.table.flows.retire(direction.slot);
      this.table.countNarrow(-atEgress(direction));
    }
    this.directions = undefined;
    this.table.retirePair(this.index);
  }

  private direction(side: Side): Direction {
    const direction = this.directions?.[side];
    if (!direction) throw new ProxyError('INTERNAL', 'expected a pair in the kernel, found one that was discarded');
    return direction;
  }

  private publish({ fromClient, fromUpstream }: Plan, states: Two<Omit<StreamWay, 'pair'>>): Two<Direction> {
    const make = ({ flow, way }: Plan['fromClient'], side: Side): Direction => {
      const state = { ...states[side], pair: this.index };
      const stream = encodeStream(flow, state);
      return { slot: this.put(stream, NO_EXIST), stream, flow, way, state, before: NOTHING };
    };
    const client = make(fromClient, 0);
    try {
      return [client, make(fromUpstream, 1)];
    } catch (error) {
      this.table.flows.withdraw(client.stream);
      this.table.flows.retire(client.slot);
      throw error;
    }
  }

  /** Into a slot of its own, which packets find from now on. @throws ProxyError */
  private put(stream: Buffer, flags: number): number {
    const { flows } = this.table;
    const slot = flows.add(stream);
    if (slot === undefined) throw new ProxyError('INTERNAL', 'expected a free slot, found none');
    const result = flows.publish(stream, slot, flags);
    if (result === 0) return slot;
    flows.retire(slot);
    throw new ProxyError('INTERNAL', `expected the kernel to take a flow, found errno ${-result}`);
  }
}

/** Whether programs look for it at egress, as a number. */
function atEgress({ state: { state } }: Direction): 0 | 1 {
  return state === 'narrow' || state === 'widen' ? 1 : 0;
}
