/**
 * The engine of programs at the ingress of interfaces (tc).
 *
 * ```
 *   insert ──▶ routes: how do both ways leave? ──▶ attached where packets come in ──▶ upstream's flow, then the client's
 *   link, route, rule or neighbour changes (netlink), or a pair's turn ──▶ resolved anew: the same, or a new slot, or evicted
 *   remove ──▶ the client's flow, then upstream's ──▶ last counters
 *   pinned: pairs that are there when it is closed stay, and those that are there when it starts are taken over
 * ```
 */
import type {
  Flow,
  FlowPair,
  FlowTraffic,
  KeptPairs,
  LeftPair,
  OffloadEngine,
  OffloadRefusal,
  PairTraffic,
  SessionNote,
} from '../core/offload.ts';
import { NO_TRAFFIC } from '../core/traffic.ts';
import { ProxyError } from '../../common/errors.ts';
import { freePort, holdPort } from '../sockets/native/held-ports.ts';
import { close, EEXIST, EPOLLIN } from '../sockets/native/libc.ts';
import { type Watch, watch } from '../sockets/native/poller.ts';
import {
  type Attachment,
  attachmentFor,
  type AttachmentName,
  createAttachment,
  PRIORITY,
} from '../kernel/attachment.ts';
import { ANY, loadProgram } from '../kernel/bpf.ts';
import { addCounted, type Counted, NOTHING, plain, trafficOf } from './counted.ts';
import { FlowTable } from './flow-table.ts';
import { checkLayout, keyOf } from './layout.ts';
import { Loopback } from './loopback.ts';
import { CHANGES, Netlink } from '../kernel/netlink.ts';
import { Interfaces } from './interfaces.ts';
import { NoteTable, type PairNote } from './note-table.ts';
import { bindMaps, type ObjectFile } from '../kernel/object-file.ts';
import type { PinFolder } from './pin-folder.ts';
import { type Plan, type Planned, planPair } from './plan.ts';
import { CHECKS, refuse, type ResolvedWay, Routes } from './routes.ts';
import { Turns } from './turns.ts';

export interface TcOptions {
  /** Pairs that there may be. */
  readonly capacity: number;
  /** Names of the interfaces that may be used, lo aside; all where absent. */
  readonly interfaces?: readonly string[];
  /** How programs are attached; what the kernel has where absent. */
  readonly attachment?: AttachmentName;
  /** Where pairs stay when the process ends; absent: they don't. */
  readonly pins?: PinFolder | undefined;
}

/** Slots are two for each pair, and some for those that change. */
const SLOTS_PER_PAIR = 2.5;
const NO_PAIR_TRAFFIC: PairTraffic = { fromClient: NO_TRAFFIC, fromUpstream: NO_TRAFFIC, lastSeen: undefined };

/** One way of a pair. */
interface Direction {
  flow: Buffer;
  slot: number;
  /** What the slots before have counted. */
  before: Counted;
  /** Undefined: it was taken over, and isn't looked up yet. */
  way: ResolvedWay | undefined;
}

interface Entry {
  pair: FlowPair;
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
  private readonly notes: NoteTable | undefined;
  readonly kept: KeptPairs | undefined;
  /** It is closed with pairs that stay. */
  private stays = false;

  /** @throws ProxyError */
  constructor(object: ObjectFile, { capacity, interfaces, attachment, pins }: TcOptions) {
    try {
      this.capacity = capacity;
      if (pins) this.own({ close: () => pins.close(this.stays) });
      checkLayout(object.section('.layout'));
      this.table = this.own(new FlowTable(Math.ceil(capacity * SLOTS_PER_PAIR), undefined, pins));
      this.notes = pins && this.own(new NoteTable(capacity, pins));
      const program = loadProgram('l7mp_relay', bindMaps(object.program('tc/relay'), this.table.maps));
      this.own({ close: () => close(program) });
      this.program = program;
      this.netlink = this.own(new Netlink());
      this.changes = this.own(new Netlink(CHANGES));
      this.routes = new Routes(this.netlink, interfaces);
      const name = attachmentFor(program, attachment);
      if (pins && name !== 'tcx') {
        throw new ProxyError('UNSUPPORTED', 'admin.offload_pin: expected TCX links (Linux 6.6), found clsact alone');
      }
      const place = { end: 'ingress', priority: PRIORITY.datagrams } as const;
      this.placed = this.own(createAttachment(name, { netlink: this.netlink, object, pins }, program, place));
      this.interfaces = new Interfaces([this.placed], this.routes);
      this.own({
        close: () => {
          if (!this.stays) this.loopback.close();
        },
      });
      this.watch = this.own(watch(this.changes.descriptor, () => this.onChanges()));
      this.watch.want(EPOLLIN);
      this.kept = this.notes && {
        left: this.takeOver(),
        rename: (id, next) => this.rename(id, next),
        note: (id, note) => this.note(id, note),
      };
    } catch (error) {
      this.end(false); // what could not be taken over whole would have no owner
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
    freePort(entry.pair.upstream.local.port);
    const directions = [entry.fromClient, entry.fromUpstream];
    for (const { flow } of directions) this.table.withdraw(flow);
    this.notes?.delete(entry.pair.client);
    try {
      return pairTraffic(entry, (slot) => this.table.count(slot));
    } finally {
      // Also where the kernel fails to say what it has counted.
      for (const { slot, way } of directions) {
        this.table.retire(slot);
        if (way) this.routes.release(way);
      }
    }
  }

  /** What an earlier process has put in, with ports held. That which has no way any more is taken out at once. */
  private takeOver(): LeftPair[] {
    const found = this.table.takeOver();
    const take = (side: Flow, { packets, bytes }: FlowTraffic): Direction | undefined => {
      const place = found.get(keyOf(side).toString('hex'));
      return place && { ...place, before: { packets, bytes, lastSeen: 0 }, way: undefined };
    };
    const taken = (this.notes?.all() ?? []).flatMap(({ client, upstream, session: note, before }, index) => {
      const [fromClient, fromUpstream] = [take(client, before[0]), take(upstream, before[1])];
      if (fromClient && fromUpstream) {
        for (const side of [client, upstream]) found.delete(keyOf(side).toString('hex'));
        return { pair: { id: -1 - index, client, upstream }, note, fromClient, fromUpstream };
      }
      // The process ended while it was put in, or taken out.
      this.notes?.delete(client);
      return [];
    });
    for (const { flow, slot } of found.values()) {
      this.table.withdraw(flow);
      this.table.retire(slot);
    }
    const left = taken.map(({ note, pair, ...directions }) => {
      const entry: Entry = { pair: { ...pair, note }, ...directions };
      this.entries.set(pair.id, entry);
      const isLost = this.renew(entry) !== undefined;
      const traffic = isLost ? this.remove(pair.id) : pairTraffic(entry, (slot) => this.table.count(slot));
      if (!isLost) holdPort(pair.upstream.local);
      return { ...pair, note, traffic: traffic ?? NO_PAIR_TRAFFIC };
    });
    this.placed.detachOthers();
    return left;
  }

  private rename(id: number, next: number): boolean {
    const entry = this.entries.get(id);
    if (!entry) return false;
    this.entries.delete(id);
    entry.pair = { ...entry.pair, id: next };
    this.entries.set(next, entry);
    return true;
  }

  private note(id: number, note: SessionNote): void {
    const entry = this.entries.get(id);
    if (!entry) return;
    entry.pair = { ...entry.pair, note };
    this.writeNote(entry);
  }

  private writeNote({ pair, fromClient, fromUpstream }: Entry): void {
    if (pair.note) this.notes?.put(noteOf(pair, pair.note, fromClient.before, fromUpstream.before));
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
    this.end(this.notes !== undefined && this.entries.size > 0);
  }

  private end(stays: boolean): void {
    this.stays = stays;
    for (const step of this.undo.splice(0).reverse()) step();
    for (const { pair } of this.entries.values()) freePort(pair.upstream.local.port);
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
    // Whoever finds a flow in the kernel shall find its note.
    if (this.notes && pair.note && !this.notes.add(noteOf(pair, pair.note))) {
      return refuse('error', 'expected a new flow, found a pair of the same client');
    }
    try {
      return this.fill(pair, plan);
    } finally {
      if (!this.entries.has(pair.id)) this.notes?.delete(pair.client);
    }
  }

  private fill(pair: FlowPair, plan: Plan): OffloadRefusal | undefined {
    const client = this.table.add(plan.fromClient.flow);
    const upstream = this.table.add(plan.fromUpstream.flow);
    const giveUp = (refusal: OffloadRefusal): OffloadRefusal => {
      for (const slot of [client, upstream]) if (slot !== undefined) this.table.retire(slot);
      return refusal;
    };
    if (client === undefined || upstream === undefined) {
      return giveUp(refuse('table-full', `expected a free slot of ${this.table.capacity}, found none`));
    }
    const direction = ({ flow, way }: Planned, slot: number): Direction => ({ flow, way, slot, before: NOTHING });
    const entry: Entry = {
      pair,
      fromClient: direction(plan.fromClient, client),
      fromUpstream: direction(plan.fromUpstream, upstream),
    };
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
    for (const { way } of [plan.fromClient, plan.fromUpstream]) this.routes.hold(way);
    this.entries.set(pair.id, entry);
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

  private renew(entry: Entry): OffloadRefusal | undefined {
    const { pair, fromClient, fromUpstream } = entry;
    try {
      const plan = this.plan(pair);
      if ('reason' in plan) return plan;
      this.interfaces.attachFor(plan);
      const slots = [fromClient.slot, fromUpstream.slot];
      const refusal = this.move(fromUpstream, plan.fromUpstream) ?? this.move(fromClient, plan.fromClient);
      if (slots[0] !== fromClient.slot || slots[1] !== fromUpstream.slot) this.writeNote(entry);
      return refusal;
    } catch (error) {
      return refuse('error', ProxyError.from(error).message);
    }
  }

  private move(direction: Direction, { flow, way }: Planned): OffloadRefusal | undefined {
    if (direction.flow.equals(flow)) {
      if (direction.way === undefined) this.routes.hold(way);
      direction.way ??= way;
      return undefined;
    }
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
    if (direction.way) this.routes.release(direction.way);
    Object.assign(direction, { flow, way, slot });
    return undefined;
  }
}

function noteOf(pair: FlowPair, session: SessionNote, fromClient = NOTHING, fromUpstream = NOTHING): PairNote {
  const { client, upstream } = pair;
  return { client, upstream, session, before: [plain(fromClient), plain(fromUpstream)] };
}

function pairTraffic({ fromClient, fromUpstream }: Entry, count: (slot: number) => Counted): PairTraffic {
  const total = ({ before, slot }: Direction): Counted => addCounted(before, count(slot));
  return trafficOf(total(fromClient), total(fromUpstream));
}
