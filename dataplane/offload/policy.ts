/**
 * Which sessions the kernel relays: the hot ones, as many as its table holds. User space owns the table.
 *
 * ```
 *            hot, or `always`                  hotter than twice the coldest, where the table is full
 *   user ───────────────────────▶ tried ─────────────────────────────────────────────────────────────▶ kernel
 *    ▲                              │ refused                                                            │
 *    └──────── pause ◀──────────────┴──────── displaced, or its way is gone (interface, route) ◀─────────┘
 *      1 s, twice as long each time, to 60 s                   the session ends, or is connected again: released
 * ```
 */
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type {
  FlowEnds,
  FlowTraffic,
  OffloadedSession,
  OffloadEngine,
  OffloadRefusal,
  OffloadStatus,
  OffloadView,
  PairTraffic,
} from '../core/offload.ts';
import type { KernelPath, OffloadableSession } from '../core/kernel-path.ts';
import { addTraffic, NO_TRAFFIC, subtractTraffic } from '../core/traffic.ts';

/** How often the kernel is asked what it has relayed, in ms. */
const READ_INTERVAL = 1000;

/** The first pause after a refusal, and the longest, in ms. */
export const PAUSE = { first: 1000, longest: 60_000 };

/** A full table's coldest session gives way to one that is so many times as hot. */
const HOTTER = 2;

/** Sessions that are tried at most in one sweep, the others in the next: each asks the kernel for routes. */
const TRIES = 256;

export const NOTHING: PairTraffic = {
  fromClient: NO_TRAFFIC,
  fromUpstream: NO_TRAFFIC,
  lastSeen: undefined,
};

/** What is known of a session that was tried. */
interface Entry {
  readonly session: OffloadableSession;
  inKernel: boolean;
  /** For its turn to be tried. */
  isWaiting: boolean;
  /** Since when it is there, or why it isn't. */
  since: number;
  refusal: OffloadRefusal | undefined;
  /** Refusals in a row. */
  failures: number;
  retryAt: number;
  /** Packets a second of late. */
  rate: number;
  /** What was counted in since it was put in; and before. */
  counted: PairTraffic;
  before: FlowTraffic;
}

export class OffloadPolicy implements KernelPath, OffloadStatus {
  private readonly engineOrWhy: OffloadEngine | OffloadRefusal;
  private readonly log: Logger;
  private readonly entries = new Map<number, Entry>();
  private readAt = -Infinity;
  private tries = 0;
  /** Hot ones that have to wait for the next sweep. */
  private waiting: Entry[] = [];
  private failed = false;
  /** Those in the kernel by rate, the coldest last; made when the table is full. */
  private coldest: Entry[] | undefined;
  handovers = 0;
  handbacks = 0;
  readonly refusals = new Map<string, number>();

  /** `engine`: or why there is none, which is told here, once. */
  constructor(engine: OffloadEngine | OffloadRefusal, log: Logger) {
    this.engineOrWhy = engine;
    this.log = log;
    if ('reason' in engine) {
      log.warn({ reason: engine.message }, 'no kernel offload: every session stays in user space');
      return;
    }
    engine.onEvicted((id, traffic, why) => {
      const entry = this.entries.get(id);
      if (entry) this.takeBack(entry, traffic, performance.now(), why);
    });
    log.info(
      { attachment: engine.attachment, capacity: engine.stats.capacity },
      'kernel offload of UDP sessions is on',
    );
  }

  get reason(): string | undefined {
    return 'reason' in this.engineOrWhy ? this.engineOrWhy.message : undefined;
  }

  get engine(): OffloadStatus['engine'] {
    const { live } = this;
    return live && { attachment: live.attachment, ...live.stats };
  }

  private get live(): OffloadEngine | undefined {
    return 'reason' in this.engineOrWhy ? undefined : this.engineOrWhy;
  }

  sweep(now: number): void {
    this.tries = TRIES;
    this.coldest = undefined;
    if (now - this.readAt >= READ_INTERVAL) this.read(now);
    for (const entry of this.waiting.splice(0)) {
      entry.isWaiting = false;
      if (this.entries.get(entry.session.id) === entry) this.attempt(entry, now);
    }
  }

  refresh({ id }: OffloadableSession, now: number): void {
    if (now !== this.readAt && this.entries.get(id)?.inKernel) this.read(now);
  }

  private read(now: number): void {
    this.readAt = now;
    if (!this.live || this.live.stats.flows === 0) return;
    for (const [id, traffic] of this.ask((engine) => engine.read()) ?? []) {
      const entry = this.entries.get(id);
      if (entry) this.count(entry, traffic, now);
    }
  }

  measured(session: OffloadableSession, packetsPerSecond: number, now: number): void {
    if (!this.live) return;
    const { policy, threshold } = session.offloadPolicy;
    const entry = this.entries.get(session.id);
    if (entry) entry.rate = packetsPerSecond;
    const isWanted = policy === 'always' || (policy === 'auto' && packetsPerSecond >= threshold);
    if (!isWanted || entry?.inKernel || entry?.isWaiting || (entry && now < entry.retryAt)) return;
    this.attempt(entry ?? this.newEntry(session, packetsPerSecond), now);
  }

  private newEntry(session: OffloadableSession, rate: number): Entry {
    const entry: Entry = {
      session,
      inKernel: false,
      isWaiting: false,
      since: 0,
      refusal: undefined,
      failures: 0,
      retryAt: 0,
      rate,
      counted: NOTHING,
      before: NO_TRAFFIC,
    };
    this.entries.set(session.id, entry);
    return entry;
  }

  private attempt(entry: Entry, now: number): void {
    const engine = this.live;
    if (engine === undefined) return;
    if (this.tries === 0) {
      entry.isWaiting = true;
      this.waiting.push(entry);
      return;
    }
    this.tries--;
    const ends = entry.session.flowEnds;
    const refusal = 'reason' in ends ? ends : this.insert(engine, entry, ends, now);
    if (refusal) {
      this.refuse(entry, refusal, now);
      return;
    }
    entry.inKernel = true;
    entry.since = now;
    entry.refusal = undefined;
    entry.counted = NOTHING;
    this.handovers++;
    entry.session.passesKernel(`the kernel relays it, at ${Math.round(entry.rate)} datagrams a second`);
  }

  private insert(engine: OffloadEngine, entry: Entry, ends: FlowEnds, now: number): OffloadRefusal | undefined {
    const pair = { id: entry.session.id, ...ends };
    const { flows, capacity } = engine.stats;
    if (flows < capacity) return engine.insert(pair);
    this.coldest ??= [...this.entries.values()].filter(({ inKernel }) => inKernel).sort((a, b) => b.rate - a.rate);
    // Some may have ended since it was made.
    while (this.coldest.at(-1)?.inKernel === false) this.coldest.pop();
    const coldest = this.coldest.at(-1);
    if (coldest === undefined || entry.rate < HOTTER * coldest.rate) {
      const found = `the coldest of ${capacity} at ${Math.round(coldest?.rate ?? 0)}`;
      const message = `expected a session twice as hot as ${found}, found ${Math.round(entry.rate)} datagrams a second`;
      return { reason: 'table-full', message };
    }
    this.coldest.pop();
    const traffic = this.ask(() => engine.remove(coldest.session.id)) ?? coldest.counted;
    const message = `a session at ${Math.round(entry.rate)} datagrams a second took its place`;
    this.takeBack(coldest, traffic, now, { reason: 'displaced', message });
    return engine.insert(pair);
  }

  release({ id }: OffloadableSession): undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    const traffic = entry.inKernel ? this.ask((engine) => engine.remove(id)) : undefined;
    // It may be measured as its last packets are counted in: it is known as one in the kernel until then, or would go in again.
    if (traffic) this.count(entry, traffic, performance.now());
    entry.inKernel = false;
    this.entries.delete(id);
  }

  /** Sessions end, and sweeps go on, also where the kernel fails; that is told once. */
  private ask<T>(question: (engine: OffloadEngine) => T): T | undefined {
    try {
      return this.live && question(this.live);
    } catch (error) {
      const { message } = ProxyError.from(error);
      if (!this.failed) this.log.error({ error: message }, 'the kernel does not say what it has relayed');
      this.failed = true;
      return undefined;
    }
  }

  /** The engine has let go of it. */
  private takeBack(entry: Entry, traffic: PairTraffic, now: number, why: OffloadRefusal): void {
    this.count(entry, traffic, now);
    const { fromClient, fromUpstream } = entry.counted;
    entry.before = addTraffic(entry.before, addTraffic(fromClient, fromUpstream));
    entry.counted = NOTHING;
    entry.inKernel = false;
    // What was there for long enough begins anew.
    if (now - entry.since >= PAUSE.longest) entry.failures = 0;
    this.handbacks++;
    this.refuse(entry, why, now);
    entry.session.passesUserSpace(why.message);
  }

  private refuse(entry: Entry, why: OffloadRefusal, now: number): void {
    entry.refusal = why;
    entry.retryAt = now + Math.min(PAUSE.longest, PAUSE.first * 2 ** entry.failures);
    entry.failures++;
    this.refusals.set(why.reason, (this.refusals.get(why.reason) ?? 0) + 1);
    const { name: session, listener } = entry.session;
    this.log.debug({ session, listener, reason: why.reason }, `a session stays in user space: ${why.message}`);
  }

  /** Counts in what is new. */
  private count(entry: Entry, traffic: PairTraffic, now: number): void {
    const { fromClient, fromUpstream } = entry.counted;
    entry.counted = traffic;
    const ingress = subtractTraffic(traffic.fromClient, fromClient);
    const egress = subtractTraffic(traffic.fromUpstream, fromUpstream);
    entry.session.relayed(ingress, egress, traffic.lastSeen, now);
  }

  view(session: OffloadableSession): OffloadView {
    const entry = this.entries.get(session.id);
    if (entry?.inKernel) return { state: 'kernel' };
    return { state: 'user', reason: this.reason ?? this.explain(session, entry) };
  }

  private explain(session: OffloadableSession, entry: Entry | undefined): string {
    const { policy, threshold } = session.offloadPolicy;
    if (policy === 'never') return `expected another policy than never, found it at listener ${session.listener}`;
    const ends = session.flowEnds;
    if ('reason' in ends) return ends.message;
    if (entry?.refusal) {
      const wait = Math.max(0, Math.ceil((entry.retryAt - performance.now()) / 1000));
      return `${entry.refusal.message}; it may be tried again in ${wait} s`;
    }
    if (policy === 'always' || entry?.isWaiting) return 'it is tried within a second';
    return `expected at least ${threshold} datagrams a second, found fewer`;
  }

  sessions(): OffloadedSession[] {
    return [...this.entries.values()].map(({ session, rate, counted, before }) => {
      const { packets, bytes } = addTraffic(before, addTraffic(counted.fromClient, counted.fromUpstream));
      const { name, listener } = session;
      return { session: name, listener, rate: Math.round(rate), packets, bytes, ...this.view(session) };
    });
  }

  /** After the last session has ended. */
  close(): void {
    this.live?.close();
  }
}
