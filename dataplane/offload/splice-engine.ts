/**
 * The engine of spliced TCP connections: pairs of sockets, each of which the kernel relays by itself while it can.
 *
 * ```
 *   insert ──▶ both legs fit together? a way for both? ──▶ observed, and handed over when both ends were heard ──▶ spliced
 *   read   ──▶ traffic ──▶ ended by both ends, or by a reset
 *                      ──▶ evicted: packets that can't be relayed
 *   remove ──▶ back to the sockets
 * ```
 */
import type { Socket } from 'node:net';
import type { FlowPair, OffloadRefusal, PairTraffic } from '../core/offload.ts';
import { ProxyError } from '../../common/errors.ts';
import { close, EPOLLIN } from '../sockets/native/libc.ts';
import { type Watch, watch } from '../sockets/native/poller.ts';
import {
  type Attachment,
  attachmentFor,
  type AttachmentName,
  createAttachment,
  PRIORITY,
} from '../kernel/attachment.ts';
import { loadProgram } from '../kernel/bpf.ts';
import { checkLayout, checkStreamLayout, familyOf } from './layout.ts';
import { Leg } from './leg.ts';
import { Loopback } from './loopback.ts';
import { CHANGES, Netlink } from '../kernel/netlink.ts';
import { Interfaces } from './interfaces.ts';
import { bindMaps, type ObjectFile } from '../kernel/object-file.ts';
import { type Plan, planPair } from './plan.ts';
import { CHECKS, refuse, type ResolvedWay, Routes } from './routes.ts';
import type { SpliceLimits, SpliceState } from './passage.ts';
import { Splice } from './splice.ts';
import { other } from './stream-pair.ts';
import { StreamTable } from './stream-table.ts';
import { Turns } from './turns.ts';

export interface SpliceOptions {
  /** Pairs that there may be. */
  readonly capacity: number;
  /** Names of the interfaces that may be used, lo aside; all where absent. */
  readonly interfaces?: readonly string[] | undefined;
  /** How programs are attached. Default: `tcx` where the kernel has it (6.6), else `clsact`. */
  readonly attachment?: AttachmentName;
  readonly limits?: Partial<SpliceLimits> | undefined;
}

/** Two connections, and the streams that they are in user space. */
export interface SplicePair extends FlowPair {
  readonly sockets: { readonly client: Socket; readonly upstream: Socket };
  /**
   * Whether all that was read of one stream was written to the other. Called once nothing comes any more, until it is so: what stands
   * between both may be taken away by it, for good.
   */
  settle(): boolean;
}

/** What becomes of a pair. All but `spliced` are the last of a pair, as its removal is. */
export type SpliceEvent =
  /** The kernel relays it from now on; its sockets must be left alone. */
  | { readonly kind: 'spliced' }
  /** It stays with its sockets. */
  | { readonly kind: 'refused'; readonly why: OffloadRefusal }
  /** Both ends have closed, or one has reset it. The sockets are destroyed in time. */
  | { readonly kind: 'ended'; readonly how: 'closed' | 'reset'; readonly traffic: PairTraffic }
  /** Its sockets have it again. */
  | { readonly kind: 'evicted'; readonly why: OffloadRefusal; readonly traffic: PairTraffic }
  /** It could not be given back: its sockets are destroyed. */
  | { readonly kind: 'lost'; readonly why: OffloadRefusal; readonly traffic: PairTraffic };

/** In ms. A delayed acknowledgement takes 40. */
const LIMITS: SpliceLimits = { catchUp: 10_000, narrow: 500, freeze: 150, acked: 10_000, drain: 1000 };
/** How long ends that have closed may still ask for what was lost, in ms. */
const LINGER = 10_000;
/** Reads in which packets came that can't be relayed … */
const UNFIT_READS = 2;
/** … with fewer than so many others between them: what is sent again is so later and later. */
const FORGET_READS = 10;
const HEADERS = { 4: 40, 6: 60 } as const;
const TIMESTAMPS = 12;

interface Entry {
  readonly pair: SplicePair;
  readonly splice: Splice;
  ways: readonly ResolvedWay[];
  unfit: number;
  /** Reads in which there were more, and those since in which there weren't. */
  unfitReads: number;
  fitReads: number;
  /** It is being given back. */
  returning: Promise<PairTraffic | OffloadRefusal | undefined> | undefined;
}

export class SpliceEngine {
  readonly attachment: AttachmentName;
  private readonly capacity: number;
  private readonly limits: SpliceLimits;
  private readonly table: StreamTable;
  private readonly netlink: Netlink;
  private readonly changes: Netlink;
  private readonly routes: Routes;
  private readonly watch: Watch;
  private readonly loopback = new Loopback();
  private readonly entries = new Map<number, Entry>();
  /** Those whose way is gone: sockets would have none either, and so they wait for one where they are, as sockets would. */
  private readonly stranded = new Set<Entry>();
  private readonly turns = new Turns<Entry>();
  /** Both ends have closed. */
  private readonly lingering = new Map<Entry, NodeJS.Timeout>();
  private readonly interfaces: Interfaces;
  private readonly undo: (() => void)[] = [];
  private handler: (id: number, event: SpliceEvent) => void = () => undefined;

  /** @throws ProxyError */
  constructor(object: ObjectFile, { capacity, interfaces, attachment, limits }: SpliceOptions) {
    try {
      checkLayout(object.section('.layout'));
      checkStreamLayout(object.section('.stream-layout'));
      this.capacity = capacity;
      this.limits = { ...LIMITS, ...limits };
      this.table = this.own(new StreamTable(capacity));
      const program = loadProgram('l7mp_splice', bindMaps(object.program('tc/splice'), this.table.maps));
      this.own({ close: () => close(program) });
      this.netlink = this.own(new Netlink());
      this.changes = this.own(new Netlink(CHANGES));
      this.routes = new Routes(this.netlink, interfaces);
      const narrow = loadProgram('l7mp_narrow', bindMaps(object.program('tc/narrow'), this.table.maps));
      this.own({ close: () => close(narrow) });
      this.attachment = attachmentFor(program, attachment);
      const place = (one: number, end: 'ingress' | 'egress'): Attachment => {
        const where = { end, priority: PRIORITY.connections };
        return this.own(createAttachment(this.attachment, { netlink: this.netlink, object }, one, where));
      };
      this.interfaces = new Interfaces([place(program, 'ingress'), place(narrow, 'egress')], this.routes);
      this.own(this.loopback);
      this.watch = this.own(watch(this.changes.descriptor, () => this.onChanges()));
      this.watch.want(EPOLLIN);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get stats(): { readonly flows: number; readonly capacity: number; readonly interfaces: readonly string[] } {
    return {
      flows: this.entries.size + this.lingering.size,
      capacity: this.capacity,
      interfaces: this.interfaces.list,
    };
  }

  stateOf(id: number): SpliceState | undefined {
    return this.entries.get(id)?.splice.state;
  }

  onEvent(handler: (id: number, event: SpliceEvent) => void): void {
    this.handler = handler;
  }

  /** Takes a pair on; what becomes of it is told as events, unless it is refused here. It never throws. */
  insert(pair: SplicePair): OffloadRefusal | undefined {
    try {
      if (this.entries.has(pair.id)) return refuse('error', `expected a new pair, found ${pair.id} there`);
      const { flows } = this.stats;
      if (flows >= this.capacity)
        return refuse('table-full', `expected at most ${this.capacity} pairs, found ${flows}`);
      const legs = [new Leg(pair.sockets.client, pair.client), new Leg(pair.sockets.upstream, pair.upstream)] as const;
      const plan = this.plan(pair, legs);
      if ('reason' in plan) return plan;
      const splice = new Splice(this.table, legs, plan, this.limits, () => pair.settle());
      const entry: Entry = { pair, splice, ways: [], unfit: 0, unfitReads: 0, fitReads: 0, returning: undefined };
      this.hold(entry);
      this.entries.set(pair.id, entry);
      void this.handOver(entry, plan);
      return undefined;
    } catch (error) {
      return refuse('error', ProxyError.from(error).message);
    }
  }

  /**
   * Gives a pair back to its sockets: its last traffic; undefined where it isn't there (any more). A refusal: it can't be taken
   * back now (one side has closed, packets are not acknowledged), and is still relayed.
   */
  async remove(id: number): Promise<PairTraffic | OffloadRefusal | undefined> {
    const entry = this.entries.get(id);
    return entry && this.takeBack(entry);
  }

  /** Ends a pair at once, wherever it is: its sockets are destroyed, and its ends are told. */
  abandon(id: number): PairTraffic | undefined {
    const entry = this.entries.get(id);
    if (!entry) return undefined;
    const { traffic } = entry.splice;
    this.drop(entry);
    return traffic;
  }

  /** Traffic of all spliced pairs; meant for once a second. What ended or can't stay is told by events. */
  read(): ReadonlyMap<number, PairTraffic> {
    this.onChanges();
    if (this.routes.keepFresh()) this.refresh();
    else for (const entry of this.turns.next(this.entries.values(), CHECKS)) this.check(entry);
    const all = new Map<number, PairTraffic>();
    for (const [id, entry] of [...this.entries]) {
      const { splice } = entry;
      const { end } = splice;
      if (end) this.end(entry, end);
      else if (splice.state === 'spliced') {
        all.set(id, splice.traffic);
        this.watchFitness(entry);
      }
    }
    return all;
  }

  close(): void {
    for (const entry of [...this.entries.values(), ...this.lingering.keys()]) this.drop(entry);
    for (const step of this.undo.splice(0).reverse()) step();
  }

  private own<T extends { close(): void }>(resource: T): T {
    this.undo.push(() => resource.close());
    return resource;
  }

  private async handOver(entry: Entry, plan: Plan): Promise<void> {
    const why = await entry.splice.handOver(this.interfaces.attachAsideFor(plan));
    if (this.entries.get(entry.pair.id) !== entry) return;
    if (!why) {
      entry.unfit = entry.splice.unfit;
      this.handler(entry.pair.id, { kind: 'spliced' });
      return;
    }
    this.forget(entry);
    this.handler(entry.pair.id, { kind: 'refused', why });
  }

  /**
   * Once at a time, whoever asks for it. Its last traffic; undefined where it has ended otherwise, which was told. `why`: it can't
   * stay, and that is told, too.
   */
  private takeBack(entry: Entry, why?: OffloadRefusal): Promise<PairTraffic | OffloadRefusal | undefined> {
    entry.returning ??= this.giveBack(entry, why).finally(() => (entry.returning = undefined));
    return entry.returning;
  }

  private async giveBack(entry: Entry, why?: OffloadRefusal): Promise<PairTraffic | OffloadRefusal | undefined> {
    const { id } = entry.pair;
    const isThere = (): boolean => this.entries.get(id) === entry;
    try {
      // Its sockets are still worked on until what was sent last is acknowledged.
      await entry.splice.abort();
      if (!isThere()) return undefined;
      const refusal = await entry.splice.takeBack();
      if (refusal) return refusal;
      const { traffic } = entry.splice;
      this.forget(entry);
      entry.splice.discard();
      if (!why) return traffic;
      this.handler(id, { kind: 'evicted', why, traffic });
    } catch (error) {
      // Ended meanwhile: there is nothing to lose.
      if (!isThere()) return undefined;
      const { traffic } = entry.splice;
      this.drop(entry);
      this.handler(id, { kind: 'lost', why: refuse('error', ProxyError.from(error).message), traffic });
    }
    return undefined;
  }

  private watchFitness(entry: Entry): void {
    const { unfit } = entry.splice;
    if (unfit === entry.unfit) {
      entry.fitReads++;
      if (entry.fitReads >= FORGET_READS) entry.unfitReads = 0;
      return;
    }
    entry.unfit = unfit;
    entry.fitReads = 0;
    entry.unfitReads++;
    // Where it can't be given back now, the next of them asks again.
    if (entry.unfitReads < UNFIT_READS) return;
    const message = 'expected segments that can be relayed, found others again and again';
    void this.takeBack(entry, refuse('unsupported', message));
  }

  private end(entry: Entry, how: 'closed' | 'reset'): void {
    const { traffic } = entry.splice;
    this.entries.delete(entry.pair.id);
    this.stranded.delete(entry);
    entry.splice.close();
    if (how === 'reset') this.drop(entry);
    else this.lingering.set(entry, setTimeout(() => this.drop(entry), LINGER).unref());
    this.handler(entry.pair.id, { kind: 'ended', how, traffic });
  }

  /** Nothing of it is left. */
  private drop(entry: Entry): void {
    clearTimeout(this.lingering.get(entry));
    this.lingering.delete(entry);
    this.forget(entry);
    void entry.splice.abort();
    entry.splice.cutOff();
    entry.splice.discard();
    for (const socket of [entry.pair.sockets.client, entry.pair.sockets.upstream]) socket.destroy();
  }

  private forget(entry: Entry): void {
    if (this.entries.get(entry.pair.id) === entry) this.entries.delete(entry.pair.id);
    this.stranded.delete(entry);
    for (const way of entry.ways) this.routes.release(way);
    entry.ways = [];
  }

  private hold(entry: Entry): void {
    const { ways } = entry.splice;
    for (const way of ways) this.routes.hold(way);
    for (const way of entry.ways) this.routes.release(way);
    entry.ways = ways;
  }

  private plan(pair: SplicePair, legs: readonly [Leg, Leg]): Plan | OffloadRefusal {
    const { client, upstream } = pair;
    if (client.transport !== 'tcp' || upstream.transport !== 'tcp') {
      return refuse('protocol', `expected TCP, found ${client.transport} and ${upstream.transport}`);
    }
    const family = familyOf(client.local.address);
    if (family !== familyOf(upstream.local.address)) {
      return refuse('address-family', 'expected one address family for both sides of TCP, found IPv4 and IPv6');
    }
    const [one, two] = legs.map(({ info }) => info);
    if (!one || !two) return refuse('state', 'expected open connections, found one closed');
    for (const option of ['timestamps', 'sack', 'ecn'] as const) {
      if (one[option] === two[option]) continue;
      const found = one[option] ? 'the client alone' : 'upstream alone';
      return refuse('unsupported', `expected ${option} on both sides or on none, found it with ${found}`);
    }
    const plan = planPair(pair, this.routes, this.loopback);
    if ('reason' in plan) return plan;
    const takes = legs.map((leg) => leg.peerMaxSegment) as [number, number];
    for (const [{ maxSegment, timestamps }, { way: own }, { way }, side] of [
      [one, plan.fromUpstream, plan.fromClient, 0],
      [two, plan.fromClient, plan.fromUpstream, 1],
    ] as const) {
      // Whether our limit has room for timestamps depends on who connected. No link takes more one way than the other.
      const segment = Math.min(maxSegment + (timestamps ? TIMESTAMPS : 0), takes[side]);
      const length = Math.min(segment + HEADERS[family], own.mtu);
      const room = Math.min(takes[other(side)] + HEADERS[family], way.mtu);
      if (length > room) return refuse('mtu', `expected packets of ${room} bytes at most, may be ${length}`);
    }
    return plan;
  }

  private onChanges(): void {
    const news = this.changes.receive();
    if (this.routes.concernedBy(news)) this.refresh();
    else if (news?.length) for (const entry of [...this.stranded]) this.check(entry);
  }

  /** Everything is looked up anew. */
  private refresh(): void {
    this.interfaces.forgetGone();
    for (const entry of [...this.entries.values()]) this.check(entry);
  }

  private check(entry: Entry): void {
    if (this.entries.get(entry.pair.id) !== entry) return;
    const why = this.renew(entry);
    if (why && entry.splice.state === 'spliced') void this.takeBack(entry, why);
  }

  private renew(entry: Entry): OffloadRefusal | undefined {
    try {
      const plan = planPair(entry.pair, this.routes, this.loopback);
      if ('reason' in plan) {
        this.stranded.add(entry);
        return undefined;
      }
      this.stranded.delete(entry);
      this.interfaces.attachFor(plan);
      entry.splice.move(plan);
      this.hold(entry);
      return undefined;
    } catch (error) {
      return refuse('error', ProxyError.from(error).message);
    }
  }
}
