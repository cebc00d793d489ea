/**
 * The engine of programs at the ingress of interfaces (tc).
 *
 * ```
 *   insert ──▶ routes: how do both ways leave? ──▶ attached where packets come in ──▶ upstream's flow, then the client's
 *   link, route, rule or neighbour changes (netlink), or a pair's turn ──▶ resolved anew: the same, or a new slot, or evicted
 *   remove ──▶ the client's flow, then upstream's ──▶ last counters
 * ```
 */
import type { FlowPair, OffloadEngine, OffloadRefusal, PairTraffic } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import { close, EEXIST, EPOLLIN } from '../sockets/native/libc.ts';
import { type Watch, watch } from '../sockets/native/poller.ts';
import { type Attachment, ClsactAttachment, hasTcx, TcxAttachment } from './attachment.ts';
import { ANY, loadProgram } from './bpf.ts';
import { addCounted, type Counted, NOTHING, trafficOf } from './counted.ts';
import { FlowTable } from './flow-table.ts';
import { checkLayout } from './layout.ts';
import { Loopback } from './loopback.ts';
import { CHANGES, Netlink } from './netlink.ts';
import { Interfaces } from './interfaces.ts';
import { bindMaps, type ObjectFile } from './object-file.ts';
import { type Plan, type Planned, planPair } from './plan.ts';
import { CHECKS, refuse, type ResolvedWay, Routes } from './routes.ts';
import { Turns } from './turns.ts';

export interface TcOptions {
  /** Pairs that there may be. */
  readonly capacity: number;
  /** Names of the interfaces that may be used, lo aside; all where absent. */
  readonly interfaces?: readonly string[];
  /** How programs are attached; what the kernel has where absent. */
  readonly attachment?: 'tcx' | 'clsact';
}

/** Slots are two for each pair, and some for those that change. */
const SLOTS_PER_PAIR = 2.5;

/** One way of a pair. */
interface Direction {
  flow: Buffer;
  slot: number;
  /** What the slots before have counted. */
  before: Counted;
  way: ResolvedWay;
}

interface Entry {
  readonly pair: FlowPair;
  readonly fromClient: Direction;
  readonly fromUpstream: Direction;
}

export class TcEngine implements OffloadEngine {
  /** The program, for those who test it. */
  readonly program: number;
  private readonly capacity: number;
  private readonly table: FlowTable;
  private readonly netlink: Netlink;
  private readonly changes: Netlink;
  private readonly routes: Routes;
  private readonly placed: Attachment;
  private readonly watch: Watch;
  private readonly loopback = new Loopback();
  private readonly entries = new Map<number, Entry>();
  private readonly interfaces: Interfaces;
  /** Those whose turn it is to be looked up anew. */
  private readonly turns = new Turns<Entry>();
  private evicted: (id: number, traffic: PairTraffic, why: OffloadRefusal) => void = () => undefined;
  private readonly undo: (() => void)[] = [];

  /** @throws ProxyError */
  constructor(object: ObjectFile, { capacity, interfaces, attachment }: TcOptions) {
    try {
      checkLayout(object.section('.layout'));
      this.capacity = capacity;
      this.table = this.own(new FlowTable(Math.ceil(capacity * SLOTS_PER_PAIR)));
      const program = loadProgram('l7mp_relay', bindMaps(object.program('tc/relay'), this.table.maps));
      this.own({ close: () => close(program) });
      this.program = program;
      this.netlink = this.own(new Netlink());
      this.changes = this.own(new Netlink(CHANGES));
      this.routes = new Routes(this.netlink, interfaces);
      this.placed = this.own(
        attachment !== 'clsact' && hasTcx(program)
          ? new TcxAttachment(program)
          : new ClsactAttachment(this.netlink, object.program('tc/enter'), program),
      );
      this.interfaces = new Interfaces(this.placed, this.routes);
      this.own(this.loopback);
      this.watch = this.own(watch(this.changes.descriptor, () => this.onChanges()));
      this.watch.want(EPOLLIN);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get attachment(): string {
    return this.placed.name;
  }

  get stats(): OffloadEngine['stats'] {
    return { flows: this.entries.size, capacity: this.capacity, interfaces: this.interfaces.list };
  }

  onEvicted(handler: (id: number, traffic: PairTraffic, why: OffloadRefusal) => void): void {
    this.evicted = handler;
  }

  insert(pair: FlowPair): OffloadRefusal | undefined {
    try {
      if (this.entries.has(pair.id)) return refuse('error', `expected a new pair, found ${pair.id} there`);
      if (this.entries.size >= this.capacity) return refuse('table-full', `expected at most ${this.capacity} pairs`);
      const plan = this.plan(pair);
      return 'reason' in plan ? plan : this.put(pair, plan);
    } catch (error) {
      return refuse('error', ProxyError.from(error).message);
    }
  }

  remove(id: number): PairTraffic | undefined {
    const entry = this.entries.get(id);
    if (!entry) return undefined;
    this.entries.delete(id);
    const directions = [entry.fromClient, entry.fromUpstream];
    for (const { flow } of directions) this.table.withdraw(flow);
    try {
      return pairTraffic(entry, (slot) => this.table.count(slot));
    } finally {
      // Also where the kernel fails to say what it has counted.
      for (const { slot, way } of directions) {
        this.table.retire(slot);
        this.routes.release(way);
      }
    }
  }

  read(): ReadonlyMap<number, PairTraffic> {
    this.onChanges();
    if (this.routes.keepFresh()) this.refresh();
    else this.checkSome();
    const counted = this.table.countAll();
    const all = new Map<number, PairTraffic>();
    for (const [id, entry] of this.entries)
      all.set(
        id,
        pairTraffic(entry, (slot) => counted[slot] ?? NOTHING),
      );
    return all;
  }

  close(): void {
    for (const step of this.undo.splice(0).reverse()) step();
    this.entries.clear();
  }

  /** What is closed with the engine, last first. */
  private own<T extends { close(): void }>(resource: T): T {
    this.undo.push(() => resource.close());
    return resource;
  }

  private plan(pair: FlowPair): Plan | OffloadRefusal {
    const { client, upstream } = pair;
    if (client.transport !== 'udp' || upstream.transport !== 'udp') {
      return refuse('unsupported', `expected UDP, found ${client.transport} and ${upstream.transport}`);
    }
    return planPair(pair, this.routes, this.loopback);
  }

  private put(pair: FlowPair, plan: Plan): OffloadRefusal | undefined {
    this.interfaces.attachFor(plan);
    const client = this.table.add(plan.fromClient.flow);
    const upstream = this.table.add(plan.fromUpstream.flow);
    const giveUp = (refusal: OffloadRefusal): OffloadRefusal => {
      for (const slot of [client, upstream]) if (slot !== undefined) this.table.retire(slot);
      return refusal;
    };
    if (client === undefined || upstream === undefined) {
      return giveUp(refuse('table-full', `expected a free slot of ${this.table.capacity}, found none`));
    }
    // Answers find their way before there can be any.
    let result = this.table.publish(plan.fromUpstream.flow, upstream);
    if (result === 0) {
      result = this.table.publish(plan.fromClient.flow, client);
      if (result < 0) this.table.withdraw(plan.fromUpstream.flow);
    }
    if (result < 0) {
      const what = result === -EEXIST ? 'a pair with the same addresses and ports' : `errno ${-result}`;
      return giveUp(refuse('error', `expected a new flow, found ${what}`));
    }
    const direction = ({ flow, way }: Planned, slot: number): Direction => {
      this.routes.hold(way);
      return { flow, way, slot, before: NOTHING };
    };
    const fromClient = direction(plan.fromClient, client);
    this.entries.set(pair.id, { pair, fromClient, fromUpstream: direction(plan.fromUpstream, upstream) });
    return undefined;
  }

  private onChanges(): void {
    if (this.routes.concernedBy(this.changes.receive())) this.refresh();
  }

  /** Everything is looked up anew. */
  private refresh(): void {
    this.interfaces.forgetGone();
    for (const entry of [...this.entries.values()]) this.check(entry);
  }

  private checkSome(): void {
    for (const entry of this.turns.next(this.entries.values(), CHECKS)) this.check(entry);
  }

  private check(entry: Entry): void {
    const { id } = entry.pair;
    if (this.entries.get(id) !== entry) return;
    const refusal = this.renew(entry);
    const traffic = refusal && this.remove(id);
    if (refusal && traffic) this.evicted(id, traffic, refusal);
  }

  private renew({ pair, fromClient, fromUpstream }: Entry): OffloadRefusal | undefined {
    try {
      const plan = this.plan(pair);
      if ('reason' in plan) return plan;
      this.interfaces.attachFor(plan);
      return this.move(fromUpstream, plan.fromUpstream) ?? this.move(fromClient, plan.fromClient);
    } catch (error) {
      return refuse('error', ProxyError.from(error).message);
    }
  }

  private move(direction: Direction, { flow, way }: Planned): OffloadRefusal | undefined {
    if (direction.flow.equals(flow)) return undefined;
    const slot = this.table.add(flow);
    if (slot === undefined) return refuse('table-full', `expected a free slot of ${this.table.capacity}, found none`);
    const result = this.table.publish(flow, slot, ANY);
    if (result < 0) {
      this.table.retire(slot);
      return refuse('error', `expected the flow to change, found errno ${-result}`);
    }
    direction.before = addCounted(direction.before, this.table.count(direction.slot));
    this.table.retire(direction.slot);
    this.routes.hold(way);
    this.routes.release(direction.way);
    Object.assign(direction, { flow, way, slot });
    return undefined;
  }
}

function pairTraffic({ fromClient, fromUpstream }: Entry, count: (slot: number) => Counted): PairTraffic {
  const total = ({ before, slot }: Direction): Counted => addCounted(before, count(slot));
  return trafficOf(total(fromClient), total(fromUpstream));
}
