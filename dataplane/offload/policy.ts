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
import { isDeepStrictEqual } from 'node:util';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type {
  FlowEnds,
  LeftPair,
  OffloadedSession,
  OffloadEngine,
  OffloadRefusal,
  OffloadStatus,
  SessionNote,
} from '../core/offload.ts';
import { type KeptSessions, type OffloadableSession, tellLost } from '../core/kernel-path.ts';
import { addTraffic, takeFromNote } from '../core/traffic.ts';
import { type Account, newAccount, SessionBook } from './session-book.ts';

/** A full table's coldest session gives way to one that is so many times as hot. */
const HOTTER = 2;

/** Sessions that are tried at most in one sweep, the others in the next: each asks the kernel for routes. */
const TRIES = 256;

interface Entry extends Account {
  /** For its turn to be tried. */
  isWaiting: boolean;
  /** Of what passes user space, packets that the next process would know of. */
  notedPackets: number;
  /** It was taken on from an earlier process. */
  readonly left?: LeftPair;
}

interface Unclaimed {
  readonly left: LeftPair;
  /** The kernel has it no more, and why. */
  readonly gone?: OffloadRefusal;
}

const LOST: OffloadRefusal = { reason: 'no-route', message: 'the kernel has no way for it any more' };

function newEntry(session: OffloadableSession, rate: number): Entry {
  return { ...newAccount(session, rate), isWaiting: false, notedPackets: 0 };
}

export class OffloadPolicy extends SessionBook<OffloadEngine, Entry> implements OffloadStatus, KeptSessions {
  protected readonly failure = 'the kernel does not say what it has relayed';
  private tries = 0;
  /** Hot ones that have to wait for the next sweep. */
  private waiting: Entry[] = [];
  /** Those in the kernel by rate, the coldest last; made when the table is full. */
  private coldest: Entry[] | undefined;
  /** Of an earlier process, until sessions are made of them. */
  private readonly unclaimed = new Map<number, Unclaimed>();
  private noteFailed = false;

  /** `engine`: or why there is none, which is told here, once. */
  constructor(engine: OffloadEngine | OffloadRefusal, log: Logger) {
    super(engine, log);
    if ('reason' in engine) {
      log.warn({ reason: engine.message }, 'no kernel offload of UDP sessions: they stay in user space');
      return;
    }
    engine.onEvicted((id, traffic, why) => {
      const entry = this.entries.get(id);
      if (entry) this.comeBack(entry, traffic, why, performance.now());
      const left = this.unclaimed.get(id)?.left;
      if (left) this.unclaimed.set(id, { left: { ...left, traffic }, gone: why });
    });
    for (const left of engine.kept?.left ?? []) this.unclaimed.set(left.id, { left });
    log.info(
      { attachment: engine.attachment, capacity: engine.stats.capacity },
      'kernel offload of UDP sessions is on',
    );
    const sessions = this.unclaimed.size;
    if (sessions > 0) log.info({ sessions }, 'an earlier process has left sessions in the kernel: they go on');
  }

  /** What the next process would go on with is brought up to date, too. */
  protected override read(now: number): void {
    super.read(now);
    if (this.live?.kept === undefined) return;
    for (const entry of this.entries.values()) {
      if (!entry.inKernel) continue;
      const before = entry.notedPackets;
      const note = this.noteOf(entry);
      if (entry.notedPackets !== before) this.writeNote(entry, note);
    }
  }

  /** Sessions go on also where it can't be written; that is told once. */
  private writeNote({ session: { id, name: session, listener } }: Entry, note: SessionNote): void {
    try {
      this.live?.kept?.note(id, note);
    } catch (error) {
      const fields = { session, listener, error: ProxyError.from(error).message };
      if (!this.noteFailed) this.log.error(fields, 'what has passed of a session is not noted for the next process');
      this.noteFailed = true;
    }
  }

  /** Of what has passed, that which the pair's own counters don't tell. */
  private noteOf(entry: Entry): SessionNote {
    const note = takeFromNote(entry.session.note, entry.counted);
    const { ingress, egress } = note.passed;
    entry.notedPackets = ingress.packets + egress.packets + ingress.dropped + egress.dropped;
    return note;
  }

  override sweep(now: number): void {
    this.tries = TRIES;
    this.coldest = undefined;
    super.sweep(now);
    for (const entry of this.waiting.splice(0)) {
      entry.isWaiting = false;
      if (this.entries.get(entry.session.id) === entry) this.tryIn(entry, now);
    }
  }

  protected isHot({ offloadPolicy }: OffloadableSession, packetsPerSecond: number): boolean {
    return packetsPerSecond >= offloadPolicy.threshold;
  }

  protected coldText({ offloadPolicy }: OffloadableSession): string {
    return `expected at least ${offloadPolicy.threshold} datagrams a second, found fewer`;
  }

  protected isUnderWay({ isWaiting }: Entry): boolean {
    return isWaiting;
  }

  protected attempt(session: OffloadableSession, known: Entry | undefined, rate: number, now: number): void {
    const entry = known ?? newEntry(session, rate);
    this.entries.set(session.id, entry);
    this.tryIn(entry, now);
  }

  private tryIn(entry: Entry, now: number): void {
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
    if (refusal) this.refuse(entry, refusal, now);
    else this.goneIn(entry, `${Math.round(entry.rate)} datagrams a second`, now);
  }

  private insert(engine: OffloadEngine, entry: Entry, ends: FlowEnds, now: number): OffloadRefusal | undefined {
    const pair = { id: entry.session.id, ...ends, note: engine.kept && this.noteOf(entry) };
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
    this.comeBack(coldest, traffic, { reason: 'displaced', message }, now);
    return engine.insert(pair);
  }

  release({ id }: OffloadableSession): undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    const traffic = entry.inKernel ? this.ask((engine) => engine.remove(id)) : undefined;
    this.finish(entry, traffic, performance.now());
  }

  recall({ id }: OffloadableSession, why: OffloadRefusal): undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    if (entry.inKernel) {
      const traffic = this.ask((engine) => engine.remove(id)) ?? entry.counted;
      this.comeBack(entry, traffic, why, performance.now());
    } else {
      // It may have its turn still to come.
      this.entries.delete(id);
    }
  }

  get kept(): KeptSessions | undefined {
    return this.live?.kept && this;
  }

  left(): LeftPair[] {
    const traffic = this.unclaimed.size > 0 ? this.ask((engine) => engine.read()) : undefined;
    return [...this.unclaimed.values()].map(({ left }) => ({
      ...left,
      traffic: traffic?.get(left.id) ?? left.traffic,
    }));
  }

  /** One that has lost its way meanwhile goes on in user space, with what was relayed until then. */
  resume(session: OffloadableSession, left: LeftPair): void {
    const { note, traffic: counted } = left;
    const before = addTraffic(note.relayed.ingress, note.relayed.egress);
    const known = { inKernel: true, since: performance.now(), counted, before, left };
    const entry = { ...newEntry(session, meanRate(left)), ...known };
    const found = this.unclaimed.get(left.id);
    this.unclaimed.delete(left.id);
    this.entries.set(session.id, entry);
    this.handovers++;
    if (this.live?.kept?.rename(left.id, session.id) === true) return;
    this.comeBack(entry, found?.gone ? found.left.traffic : counted, found?.gone ?? LOST, performance.now());
  }

  connected(session: OffloadableSession): void {
    const entry = this.entries.get(session.id);
    if (!entry?.left || !entry.inKernel) return;
    const why = whyOut(session, entry.left);
    if (why === undefined) {
      session.passesKernel('the kernel relays it still');
      return;
    }
    const traffic = this.ask((engine) => engine.remove(session.id)) ?? entry.counted;
    this.comeBack(entry, traffic, why, performance.now());
  }

  /** Also where it was only just taken on. */
  drop(left: LeftPair, why: string): void {
    const taken = [...this.entries.values()].find((entry) => entry.left?.id === left.id);
    if (taken) this.entries.delete(taken.session.id);
    if (!this.unclaimed.delete(left.id) && !taken) return;
    this.ask((engine) => engine.remove(taken?.session.id ?? left.id));
    const { name: session, listener } = left.note;
    tellLost(this.log, { session, listener, error: why });
  }

  leave({ id }: OffloadableSession): boolean {
    const entry = this.entries.get(id);
    if (!entry?.inKernel) return false;
    this.writeNote(entry, this.noteOf(entry));
    return this.entries.delete(id);
  }

  override sessions(): OffloadedSession[] {
    return [...super.sessions(), ...this.left().map((left) => this.viewOfLeft(left))];
  }

  private viewOfLeft(left: LeftPair): OffloadedSession {
    const { name: session, listener, relayed } = left.note;
    const { fromClient, fromUpstream } = left.traffic;
    const { packets, bytes } = [relayed.ingress, relayed.egress, fromClient, fromUpstream].reduce(addTraffic);
    const gone = this.unclaimed.get(left.id)?.gone;
    const way = gone
      ? ({ state: 'user', reason: gone.message } as const)
      : ({
          state: 'kernel',
          reason: `an earlier process has left it, and listener ${listener} has yet to take it on`,
        } as const);
    return { session, listener, rate: Math.round(meanRate(left)), packets, bytes, ...way };
  }

  /** Where there is no engine, that is what keeps all of them out. */
  protected override explain(session: OffloadableSession, entry: Entry | undefined): string {
    return this.reason ?? super.explain(session, entry);
  }
}

/** Packets a second all its life: it was hot, and shall not count as the coldest until it is measured. */
function meanRate({ note: { startedAt, passed }, traffic: { fromClient, fromUpstream } }: LeftPair): number {
  const packets = [passed.ingress, passed.egress, fromClient, fromUpstream].reduce((sum, one) => sum + one.packets, 0);
  return (1000 * packets) / Math.max(1000, Date.now() - startedAt);
}

/** Why the kernel may not go on with a session as it is now. */
function whyOut({ flowEnds, offloadPolicy, listener }: OffloadableSession, left: LeftPair): OffloadRefusal | undefined {
  if (offloadPolicy.policy === 'never') {
    return { reason: 'state', message: `expected another policy than never, found it at listener ${listener}` };
  }
  if ('reason' in flowEnds) return flowEnds;
  const { client, upstream } = left;
  if (isDeepStrictEqual([flowEnds.client, flowEnds.upstream], [client, upstream])) return undefined;
  return { reason: 'state', message: 'expected the addresses and ports that it had before, found others' };
}
