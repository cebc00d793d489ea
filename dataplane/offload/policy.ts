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
import type { Logger } from '../../common/log.ts';
import type { FlowEnds, OffloadEngine, OffloadRefusal, OffloadStatus } from '../core/offload.ts';
import type { OffloadableSession } from '../core/kernel-path.ts';
import { type Account, newAccount, SessionBook } from './session-book.ts';

/** A full table's coldest session gives way to one that is so many times as hot. */
const HOTTER = 2;

/** Sessions that are tried at most in one sweep, the others in the next: each asks the kernel for routes. */
const TRIES = 256;

interface Entry extends Account {
  /** For its turn to be tried. */
  isWaiting: boolean;
}

export class OffloadPolicy extends SessionBook<OffloadEngine, Entry> implements OffloadStatus {
  protected readonly failure = 'the kernel does not say what it has relayed';
  private tries = 0;
  /** Hot ones that have to wait for the next sweep. */
  private waiting: Entry[] = [];
  /** Those in the kernel by rate, the coldest last; made when the table is full. */
  private coldest: Entry[] | undefined;

  /** `engine`: or why there is none, which is told here, once. */
  constructor(engine: OffloadEngine | OffloadRefusal, log: Logger) {
    super(engine, log);
    if ('reason' in engine) {
      log.warn({ reason: engine.message }, 'no kernel offload: every session stays in user space');
      return;
    }
    engine.onEvicted((id, traffic, why) => {
      const entry = this.entries.get(id);
      if (entry) this.comeBack(entry, traffic, why, performance.now());
    });
    log.info(
      { attachment: engine.attachment, capacity: engine.stats.capacity },
      'kernel offload of UDP sessions is on',
    );
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
    const entry = known ?? { ...newAccount(session, rate), isWaiting: false };
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
    this.comeBack(coldest, traffic, { reason: 'displaced', message }, now);
    return engine.insert(pair);
  }

  release({ id }: OffloadableSession): undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    const traffic = entry.inKernel ? this.ask((engine) => engine.remove(id)) : undefined;
    this.finish(entry, traffic, performance.now());
  }

  /** Where there is no engine, that is what keeps all of them out. */
  protected override explain(session: OffloadableSession, entry: Entry | undefined): string {
    return this.reason ?? super.explain(session, entry);
  }
}
