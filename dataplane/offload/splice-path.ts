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
import type { OffloadableSession } from '../core/kernel-path.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import type { ConnectionEngine } from './index.ts';
import { type Account, newAccount, SessionBook } from './session-book.ts';
import type { SpliceEvent } from './splice-engine.ts';

/** Sessions that are tried at most in one sweep: each asks the kernel for routes, and stops for a moment. */
const TRIES = 64;

interface Entry extends Account {
  /** It is being handed over. */
  isGoing: boolean;
  /** It is being taken back, for its session to end. */
  leaving: Promise<void> | undefined;
  /** It is being taken back, for its session to go on. */
  returning: Promise<OffloadRefusal | undefined> | undefined;
}

export class SplicePath extends SessionBook<ConnectionEngine, Entry> {
  protected readonly failure = 'the kernel does not say what it has relayed of connections';
  private tries = 0;

  /** `engine`: or why there is none, which is told here, once. */
  constructor(engine: ConnectionEngine | OffloadRefusal, log: Logger) {
    super(engine, log);
    if ('reason' in engine) {
      log.warn({ reason: engine.message }, 'no kernel offload of TCP connections: they stay in user space');
      return;
    }
    engine.onEvent((id, event) => this.heard(id, event));
    log.info(
      { attachment: engine.attachment, capacity: engine.stats.capacity },
      'kernel offload of TCP connections is on',
    );
  }

  override sweep(now: number): void {
    this.tries = TRIES;
    super.sweep(now);
  }

  protected isHot({ offloadPolicy, rate }: OffloadableSession): boolean {
    return rate >= offloadPolicy.byte_threshold;
  }

  protected coldText({ offloadPolicy }: OffloadableSession): string {
    return `expected at least ${offloadPolicy.byte_threshold} bytes a second, found fewer`;
  }

  protected isUnderWay({ isGoing, leaving, returning }: Entry): boolean {
    return isGoing || leaving !== undefined || returning !== undefined;
  }

  protected attempt(session: OffloadableSession, known: Entry | undefined, rate: number, now: number): void {
    // The others are measured again in a second.
    if (!this.live || this.tries === 0) return;
    this.tries--;
    const entry = known ?? { ...newAccount(session, rate), isGoing: false, leaving: undefined, returning: undefined };
    this.entries.set(session.id, entry);
    const refusal = this.insert(this.live, session);
    if (refusal) this.refuse(entry, refusal, now);
    else entry.isGoing = true;
  }

  private insert(engine: ConnectionEngine, session: OffloadableSession): OffloadRefusal | undefined {
    const ends = session.flowEnds;
    if ('reason' in ends) return ends;
    const { client, upstream, sockets } = ends;
    if (!sockets) return { reason: 'protocol', message: `expected TCP on both sides, found ${client.transport}` };
    return engine.insert({ id: session.id, client, upstream, sockets, settle: () => session.settle() });
  }

  private heard(id: number, event: SpliceEvent): void {
    const entry = this.entries.get(id);
    if (!entry) return;
    const now = performance.now();
    const { session } = entry;
    entry.isGoing = false;
    switch (event.kind) {
      case 'spliced':
        this.goneIn(entry, `${Math.round(session.rate)} bytes a second`, now);
        break;
      case 'refused':
        this.refuse(entry, event.why, now);
        break;
      case 'evicted':
        this.comeBack(entry, event.traffic, event.why, now);
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

  release({ id }: OffloadableSession): Promise<void> | undefined {
    const entry = this.entries.get(id);
    if (!this.live || !entry) return undefined;
    if (!entry.inKernel && !this.isUnderWay(entry)) {
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
    await entry.returning;
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

  recall({ id }: OffloadableSession, why: OffloadRefusal): Promise<OffloadRefusal | undefined> | undefined {
    const entry = this.entries.get(id);
    if (!this.live || !entry || entry.leaving || !(entry.inKernel || this.isUnderWay(entry))) return undefined;
    entry.returning ??= this.comeHome(this.live, entry, why).finally(() => (entry.returning = undefined));
    return entry.returning;
  }

  /** Takes it back for its session to go on; where its sockets can't have it now, it stays where it is. */
  private async comeHome(
    engine: ConnectionEngine,
    entry: Entry,
    why: OffloadRefusal,
  ): Promise<OffloadRefusal | undefined> {
    const { id } = entry.session;
    try {
      const result = await engine.remove(id);
      if (result && 'reason' in result) return result;
      const now = performance.now();
      if (this.entries.get(id) !== entry) return undefined;
      if (entry.inKernel && result) this.comeBack(entry, result, why, now);
      else if (entry.isGoing) this.refuse(entry, why, now);
      entry.isGoing = false;
    } catch (error) {
      this.tell(error);
      return { reason: 'error', message: ProxyError.from(error).message };
    }
    return undefined;
  }

  protected override explain(session: OffloadableSession, entry: Entry | undefined): string {
    const { policy } = session.offloadPolicy;
    if (policy !== 'never' && entry?.isGoing && !('reason' in session.flowEnds)) {
      return 'it is being handed over, once both ends have sent something';
    }
    return super.explain(session, entry);
  }
}
