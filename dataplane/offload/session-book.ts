/** What is kept of sessions that the kernel was asked to relay, whatever relays them: traffic, refusals, and when to try again. */
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

/** How often the kernel is asked what it has relayed, in ms. */
const READ_INTERVAL = 1000;

/** The first pause after a refusal, and the longest, in ms. */
const PAUSE = { first: 1000, longest: 60_000 };

const NOTHING: PairTraffic = {
  fromClient: NO_TRAFFIC,
  fromUpstream: NO_TRAFFIC,
  lastSeen: undefined,
};

/** What is asked to relay. */
interface Relay {
  readonly attachment: string;
  readonly stats: Omit<EngineView, 'attachment'>;
  read(): ReadonlyMap<number, PairTraffic>;
  close(): void;
}

/** What is known of a session that was tried. */
export interface Account {
  readonly session: OffloadableSession;
  inKernel: boolean;
  /** Since when it is there. */
  since: number;
  /** Why it isn't. */
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

export function newAccount(session: OffloadableSession, rate: number): Account {
  return {
    session,
    inKernel: false,
    since: 0,
    refusal: undefined,
    failures: 0,
    retryAt: 0,
    rate,
    counted: NOTHING,
    before: NO_TRAFFIC,
  };
}

export abstract class SessionBook<Engine extends Relay, Entry extends Account> implements KernelPath {
  private readonly engineOrWhy: Engine | OffloadRefusal;
  protected readonly log: Logger;
  protected readonly entries = new Map<number, Entry>();
  private readAt = -Infinity;
  private failed = false;
  handovers = 0;
  handbacks = 0;
  readonly refusals = new Map<string, number>();

  /** `engine`: or why there is none. */
  constructor(engine: Engine | OffloadRefusal, log: Logger) {
    this.engineOrWhy = engine;
    this.log = log;
  }

  /** What the log says, once, where the kernel fails. */
  protected abstract readonly failure: string;
  /** Of a session that `auto` may take; and what it says of one that it doesn't take. */
  protected abstract isHot(session: OffloadableSession, packetsPerSecond: number): boolean;
  protected abstract coldText(session: OffloadableSession): string;
  /** It is on its way into the kernel, or out of it, or has its turn still to come. */
  protected abstract isUnderWay(entry: Entry): boolean;
  /** `entry`: what is known of it. */
  protected abstract attempt(
    session: OffloadableSession,
    entry: Entry | undefined,
    packetsPerSecond: number,
    now: number,
  ): void;
  abstract release(session: OffloadableSession): Promise<void> | undefined;
  abstract recall(session: OffloadableSession, why: OffloadRefusal): Promise<OffloadRefusal | undefined> | undefined;

  get reason(): string | undefined {
    return 'reason' in this.engineOrWhy ? this.engineOrWhy.message : undefined;
  }

  get engine(): EngineView | undefined {
    const { live } = this;
    return live && { attachment: live.attachment, ...live.stats };
  }

  protected get live(): Engine | undefined {
    return 'reason' in this.engineOrWhy ? undefined : this.engineOrWhy;
  }

  mayTake({ offloadPolicy, flowEnds }: OffloadableSession): boolean {
    return this.live !== undefined && offloadPolicy.policy !== 'never' && !('reason' in flowEnds);
  }

  sweep(now: number): void {
    if (now - this.readAt >= READ_INTERVAL) this.read(now);
  }

  refresh({ id }: OffloadableSession, now: number): void {
    if (now !== this.readAt && this.entries.get(id)?.inKernel) this.read(now);
  }

  protected read(now: number): void {
    this.readAt = now;
    if (!this.live || this.live.stats.flows === 0) return;
    for (const [id, traffic] of this.ask((engine) => engine.read()) ?? []) {
      const entry = this.entries.get(id);
      if (entry) this.count(entry, traffic, now);
    }
  }

  measured(session: OffloadableSession, packetsPerSecond: number, now: number): void {
    if (!this.live) return;
    const { policy } = session.offloadPolicy;
    const entry = this.entries.get(session.id);
    if (entry) entry.rate = packetsPerSecond;
    const isWanted = policy === 'always' || (policy === 'auto' && this.isHot(session, packetsPerSecond));
    if (!isWanted || (entry && (entry.inKernel || this.isUnderWay(entry) || now < entry.retryAt))) return;
    this.attempt(session, entry, packetsPerSecond, now);
  }

  /** `at`: how hot it is, as in `1,000 datagrams a second`. */
  protected goneIn(entry: Entry, at: string, now: number): void {
    entry.inKernel = true;
    entry.since = now;
    entry.refusal = undefined;
    this.handovers++;
    entry.session.passesKernel(`the kernel relays it, at ${at}`);
  }

  /** User space has it again. */
  protected comeBack(entry: Entry, traffic: PairTraffic, why: OffloadRefusal, now: number): void {
    this.count(entry, traffic, now);
    entry.before = addTraffic(entry.before, sumOf(entry.counted));
    entry.counted = NOTHING;
    entry.inKernel = false;
    // What was there for long enough begins anew.
    if (now - entry.since >= PAUSE.longest) entry.failures = 0;
    this.handbacks++;
    this.refuse(entry, why, now);
    entry.session.passesUserSpace(why.message);
  }

  /** Nothing of it is in the kernel any more, nor will be. */
  protected finish(entry: Entry, traffic: PairTraffic | undefined, now: number): void {
    // It may be measured as its last packets are counted in: it is known as one in the kernel until then, or would go in again.
    if (traffic) this.count(entry, traffic, now);
    entry.inKernel = false;
    this.entries.delete(entry.session.id);
  }

  protected refuse(entry: Entry, why: OffloadRefusal, now: number): void {
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

  /** Sessions end, and sweeps go on, also where the kernel fails; that is told once. */
  protected ask<T>(question: (engine: Engine) => T): T | undefined {
    try {
      return this.live && question(this.live);
    } catch (error) {
      this.tell(error);
      return undefined;
    }
  }

  protected tell(error: unknown): void {
    if (!this.failed) this.log.error({ error: ProxyError.from(error).message }, this.failure);
    this.failed = true;
  }

  view(session: OffloadableSession): OffloadView {
    const entry = this.entries.get(session.id);
    return entry?.inKernel ? { state: 'kernel' } : { state: 'user', reason: this.explain(session, entry) };
  }

  protected explain(session: OffloadableSession, entry: Entry | undefined): string {
    const { policy } = session.offloadPolicy;
    if (policy === 'never') return `expected another policy than never, found it at listener ${session.listener}`;
    const ends = session.flowEnds;
    if ('reason' in ends) return ends.message;
    if (this.reason !== undefined) return this.reason;
    if (entry?.refusal) {
      const wait = Math.max(0, Math.ceil((entry.retryAt - performance.now()) / 1000));
      return `${entry.refusal.message}; it may be tried again in ${wait} s`;
    }
    if (policy === 'always' || (entry && this.isUnderWay(entry))) return 'it is tried within a second';
    return this.coldText(session);
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
