/**
 * Which TCP sessions the kernel relays: the hot ones. Each goes in and comes back while its streams live on.
 *
 * ```
 *           hot, or `always`             handed over
 *   user ─────────────────────▶ going ────────────────▶ kernel ──▶ ended there, with its session
 *    ▲                            │ refused                │
 *    └──────── pause ◀────────────┴──── evicted ◀──────────┤
 *      1 s, twice as long each time, to 60 s               └──▶ released: taken back, then its session ends
 * ```
 */
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KernelPath, OffloadableSession } from '../core/kernel-path.ts';
import type {
  EngineView,
  FlowTraffic,
  OffloadedSession,
  OffloadRefusal,
  OffloadView,
  PairTraffic,
} from '../core/offload.ts';
import { addTraffic, NO_TRAFFIC, subtractTraffic } from '../core/traffic.ts';
import type { ConnectionEngine } from './index.ts';
import { NOTHING, PAUSE } from './policy.ts';
import type { SpliceEvent } from './splice-engine.ts';

/** How often the kernel is asked what it has relayed, in ms. */
const READ_INTERVAL = 1000;

/** Sessions that are tried at most in one sweep: each asks the kernel for routes, and stops for a moment. */
const TRIES = 64;

/** What is known of a session that was tried. */
interface Entry {
  readonly session: OffloadableSession;
  state: 'user' | 'going' | 'kernel';
  /** It is being taken back, for its session to end. */
  leaving: Promise<void> | undefined;
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

export class SplicePath implements KernelPath {
  private readonly engineOrWhy: ConnectionEngine | OffloadRefusal;
  private readonly log: Logger;
  private readonly entries = new Map<number, Entry>();
  private readAt = -Infinity;
  private tries = 0;
  private failed = false;
  handovers = 0;
  handbacks = 0;
  readonly refusals = new Map<string, number>();

  /** `engine`: or why there is none. */
  constructor(engine: ConnectionEngine | OffloadRefusal, log: Logger) {
    this.engineOrWhy = engine;
    this.log = log;
    if (!('reason' in engine)) engine.onEvent((id, event) => this.heard(id, event));
  }

  get reason(): string | undefined {
    return 'reason' in this.engineOrWhy ? this.engineOrWhy.message : undefined;
  }

  get engine(): EngineView | undefined {
    const { live } = this;
    return live && { attachment: live.attachment, ...live.stats };
  }

  private get live(): ConnectionEngine | undefined {
    return 'reason' in this.engineOrWhy ? undefined : this.engineOrWhy;
  }

  sweep(now: number): void {
    this.tries = TRIES;
    if (now - this.readAt >= READ_INTERVAL) this.read(now);
  }

  refresh({ id }: OffloadableSession, now: number): void {
    if (now !== this.readAt && this.entries.get(id)?.state === 'kernel') this.read(now);
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
    const { policy, byte_threshold } = session.offloadPolicy;
    const entry = this.entries.get(session.id);
    if (entry) entry.rate = packetsPerSecond;
    const isWanted = policy === 'always' || (policy === 'auto' && session.rate >= byte_threshold);
    if (!isWanted || (entry && (entry.state !== 'user' || entry.leaving || now < entry.retryAt))) return;
    // The others are measured again in a second.
    if (this.tries === 0) return;
    this.tries--;
    this.attempt(this.live, entry ?? this.newEntry(session, packetsPerSecond), now);
  }

  private newEntry(session: OffloadableSession, rate: number): Entry {
    const entry: Entry = {
      session,
      state: 'user',
      leaving: undefined,
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

  private attempt(engine: ConnectionEngine, entry: Entry, now: number): void {
    const refusal = this.insert(engine, entry.session);
    if (refusal) {
      this.refuse(entry, refusal, now);
      return;
    }
    entry.state = 'going';
    entry.counted = NOTHING;
  }

  private insert(engine: ConnectionEngine, session: OffloadableSession): OffloadRefusal | undefined {
    const ends = session.flowEnds;
    if ('reason' in ends) return ends;
    const { client, upstream, sockets } = ends;
    if (!sockets) return { reason: 'protocol', message: `expected TCP on both sides, found ${client.transport}` };
    return engine.insert({ id: session.id, client, upstream, sockets, isDrained: () => session.isDrained });
  }

  private heard(id: number, event: SpliceEvent): void {
    const entry = this.entries.get(id);
    if (!entry) return;
    const now = performance.now();
    const { session } = entry;
    switch (event.kind) {
      case 'spliced':
        entry.state = 'kernel';
        entry.since = now;
        entry.refusal = undefined;
        this.handovers++;
        session.passesKernel(`the kernel relays it, at ${Math.round(session.rate)} bytes a second`);
        break;
      case 'refused':
        entry.state = 'user';
        this.refuse(entry, event.why, now);
        break;
      case 'evicted':
        this.count(entry, event.traffic, now);
        entry.before = addTraffic(entry.before, sumOf(entry.counted));
        entry.counted = NOTHING;
        entry.state = 'user';
        // What was there for long enough begins anew.
        if (now - entry.since >= PAUSE.longest) entry.failures = 0;
        this.handbacks++;
        this.refuse(entry, event.why, now);
        session.passesUserSpace(event.why.message);
        break;
      case 'ended':
        this.finish(entry, event.traffic, now);
        session.endedInKernel(
          event.how === 'reset' ? new ProxyError('PEER_RESET', 'a peer reset the connection') : undefined,
        );
        break;
      case 'lost':
        this.finish(entry, event.traffic, now);
        session.endedInKernel(new ProxyError('INTERNAL', `the kernel lost the session: ${event.why.message}`));
        break;
    }
  }

  /** Nothing of it is in the kernel any more, nor will be. */
  private finish(entry: Entry, traffic: PairTraffic | undefined, now: number): void {
    // It may be measured as its last packets are counted in: it is known as one in the kernel until then.
    if (traffic) this.count(entry, traffic, now);
    entry.state = 'user';
    this.entries.delete(entry.session.id);
  }

  release({ id }: OffloadableSession): Promise<void> | undefined {
    const entry = this.entries.get(id);
    if (!this.live || !entry) return undefined;
    if (entry.state === 'user' && !entry.leaving) {
      this.entries.delete(id);
      return undefined;
    }
    entry.leaving ??= this.leave(this.live, entry);
    return entry.leaving;
  }

  /** Takes it back, or, where its sockets can't have it, has it end where it is. */
  private async leave(engine: ConnectionEngine, entry: Entry): Promise<void> {
    const { id } = entry.session;
    const isThere = (): boolean => this.entries.get(id) === entry;
    try {
      // What has ended meanwhile has ended in order.
      this.read(performance.now());
      const result = isThere() ? await engine.remove(id) : undefined;
      if (!isThere()) return;
      if (result && 'reason' in result) {
        this.log.debug({ session: entry.session.name }, `a session is cut off in the kernel: ${result.message}`);
        this.finish(entry, engine.abandon(id), performance.now());
      } else {
        this.finish(entry, result, performance.now());
      }
    } catch (error) {
      this.tell(error);
      this.entries.delete(id);
      engine.abandon(id);
    }
  }

  /** Sessions end, and sweeps go on, also where the kernel fails; that is told once. */
  private ask<T>(question: (engine: ConnectionEngine) => T): T | undefined {
    try {
      return this.live && question(this.live);
    } catch (error) {
      this.tell(error);
      return undefined;
    }
  }

  private tell(error: unknown): void {
    const { message } = ProxyError.from(error);
    if (!this.failed) this.log.error({ error: message }, 'the kernel does not say what it has relayed of connections');
    this.failed = true;
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
    if (entry?.state === 'kernel') return { state: 'kernel' };
    return { state: 'user', reason: this.explain(session, entry) };
  }

  private explain(session: OffloadableSession, entry: Entry | undefined): string {
    const { policy, byte_threshold } = session.offloadPolicy;
    if (policy === 'never') return `expected another policy than never, found it at listener ${session.listener}`;
    const ends = session.flowEnds;
    if ('reason' in ends) return ends.message;
    if (this.reason !== undefined) return this.reason;
    if (entry?.state === 'going') return 'it is being handed over, once both ends have sent something';
    if (entry?.refusal) {
      const wait = Math.max(0, Math.ceil((entry.retryAt - performance.now()) / 1000));
      return `${entry.refusal.message}; it may be tried again in ${wait} s`;
    }
    if (policy === 'always') return 'it is tried within a second';
    return `expected at least ${byte_threshold} bytes a second, found fewer`;
  }

  sessions(): OffloadedSession[] {
    return [...this.entries.values()].map(({ session, rate, counted, before }) => {
      const { packets, bytes } = addTraffic(before, sumOf(counted));
      const { name, listener } = session;
      return { session: name, listener, rate: Math.round(rate), packets, bytes, ...this.view(session) };
    });
  }

  /** After the last session has ended. */
  close(): void {
    this.live?.close();
  }
}

function sumOf({ fromClient, fromUpstream }: PairTraffic): FlowTraffic {
  return addTraffic(fromClient, fromUpstream);
}
