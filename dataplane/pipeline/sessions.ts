/** All sessions: admits new ones, ends those whose time is over, keeps ended ones listed, drains. */
import type { Listener, Route } from '../../gen/l7mp/config/v1/types.ts';
import { type ErrorCode, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Protocol } from '../core/protocol.ts';
import type { Accept, Incoming, Refused, SessionView } from '../core/session.ts';
import type { Tracing } from '../core/trace.ts';
import { BoundaryNotes } from './boundaries.ts';
import { DropGate } from './faults.ts';
import { Gates, RateGate } from './gate.ts';
import type { Gate } from './link.ts';
import { MirrorGate } from './mirror.ts';
import { TokenBucket } from '../../common/token-bucket.ts';
import type { RoutingTable } from './routing.ts';
import { RouteCounts } from './route-limits.ts';
import { RefusalLog } from './refusal-log.ts';
import type { KernelPath } from '../core/kernel-path.ts';
import { PipelineSession, type SessionContext } from './session.ts';
import { SessionList } from './session-list.ts';
import { Taps } from './taps.ts';
import { USER_SPACE } from './user-space.ts';

/** What is needed from outside. */
export interface SessionsOptions {
  readonly log: Logger;
  /** The routing table of now: a session keeps the one that it started with. */
  readonly table: () => RoutingTable;
  /** Who records traces, if anybody. */
  readonly tracing?: Tracing | undefined;
  /** Where hot sessions may go, if anywhere. */
  readonly kernel?: KernelPath | undefined;
  /** A session is over: for logs and totals. `goesOn`: it is left in the kernel, and the next process tells of its end. */
  readonly onEnd: (session: SessionView, goesOn: boolean) => void;
  /** A session was not taken: for totals. */
  readonly onRefused: (listener: string, code: ErrorCode) => void;
}

/** A protocol's limits, where the listener's configuration has none: 0 is none, too. */
export type ProtocolDefaults = Pick<Protocol, 'idleTimeout' | 'maxSessions'>;

/** A listener's sessions are accepted under this: its name stays, its configuration may change. */
export interface Admission {
  /** For new sessions. Limits apply at once. */
  configure(config: Listener): void;
  readonly accept: Accept;
  readonly refused: Refused;
}

/** How often sessions are looked at whose time may be over, in ms. */
const SWEEP_INTERVAL = 250;

/** Ended sessions that are listed at most, of all listeners: some 4 kB each. */
const MAX_TRACKED = 10_000;

export class Sessions {
  private readonly options: SessionsOptions;
  private readonly kernel: KernelPath;
  private readonly boundaries: BoundaryNotes;
  private readonly routes = new RouteCounts();
  private readonly live = new SessionList<PipelineSession>();
  readonly taps: Taps;
  private readonly tracked = new Map<PipelineSession, NodeJS.Timeout>();
  private sweeper: NodeJS.Timeout | undefined;
  private lastId = 0;
  private draining = false;
  /** Told once, when the last session has ended. */
  private readonly onEmpty: (() => void)[] = [];

  constructor(options: SessionsOptions) {
    this.options = options;
    this.kernel = options.kernel ?? USER_SPACE;
    this.taps = new Taps(() => this.live.all(), this.kernel);
    this.boundaries = new BoundaryNotes(options.log);
  }

  get size(): number {
    return this.live.size;
  }

  /** Live sessions, then the ended ones that are still listed. */
  *list(): IterableIterator<SessionView> {
    yield* this.live.all();
    yield* this.tracked.keys();
  }

  get(name: string): SessionView | undefined {
    for (const session of this.list()) if (session.name === name) return session;
    return undefined;
  }

  /** The door of one listener. */
  admission(config: Listener, defaults: ProtocolDefaults = {}): Admission {
    let current = config;
    let active = 0;
    let rate: TokenBucket | undefined;
    let context: SessionContext | undefined;
    const configure = (next: Listener): void => {
      const perSecond = next.options.sessions_per_second;
      if (rate === undefined || perSecond !== current.options.sessions_per_second) {
        rate = perSecond > 0 ? new TokenBucket(perSecond) : undefined;
      }
      current = next;
    };
    configure(config);
    const refusal = ({ resumed, isKept }: Incoming): ProxyError | undefined => {
      const maxSessions = current.options.max_sessions ?? defaults.maxSessions ?? 0;
      if (this.draining && !isKept) return new ProxyError('DRAINED', 'the proxy is draining');
      if (maxSessions > 0 && active >= maxSessions) {
        return new ProxyError('LIMIT_EXCEEDED', `listener ${current.name} has its ${maxSessions} sessions`);
      }
      if (!resumed && rate && !rate.take())
        return new ProxyError('RATE_LIMITED', `listener ${current.name}: too many new sessions`);
      return undefined;
    };
    const refusalOn = (session: PipelineSession, route: Route): ProxyError | undefined =>
      this.routes.take(session, route, !session.isResumed);
    const ended = (session: PipelineSession): void => {
      active--;
      this.routes.left(session);
      this.ended(session, current.options.track);
    };
    const routed = (session: PipelineSession, route: Route): void => {
      this.routed(session, route, current);
      this.taps.reached('client', session);
    };
    const staged = (session: PipelineSession): void => this.taps.reached('upstream', session);
    const connected = (session: PipelineSession): void =>
      this.boundaries.check(current.name, session.clusters, session.client.output);
    const accept = (incoming: Incoming): boolean => {
      const refused = refusal(incoming);
      if (refused) {
        this.options.onRefused(current.name, refused.code);
        if (incoming.stream.refuse) incoming.stream.refuse(refused);
        else incoming.stream.destroy();
        return false;
      }
      const table = this.options.table();
      if (context?.listener !== current || context.table !== table) {
        const { log, tracing } = this.options;
        const idleTimeout = current.options.idle_timeout ?? defaults.idleTimeout ?? 0;
        const told = { refusalOn, onRouted: routed, onStaged: staged, onConnected: connected, onDestroyed: ended };
        context = { listener: current, table, log, tracing, kernel: this.kernel, idleTimeout, ...told };
      }
      const session = new PipelineSession(++this.lastId, incoming, context);
      active++;
      this.live.add(session);
      this.sweeper ??= setInterval(() => this.sweep(), SWEEP_INTERVAL).unref();
      return session.start();
    };
    const refusals = new RefusalLog(this.options.log);
    const refused: Refused = (error, source) => {
      this.options.onRefused(current.name, error.code);
      refusals.add(current.name, error, source);
    };
    return { configure, accept, refused };
  }

  private routed(session: PipelineSession, route: Route, { options }: Listener): void {
    const gates: Gate[] = [];
    const { stream, output } = session.client;
    const rates = [options, ...(route.limits ? [route.limits] : [])];
    if (rates.some((each) => each.datagrams_per_second > 0 || each.bytes_per_second > 0)) {
      gates.push(new RateGate(output, stream.reliable, rates));
    }
    if (route.fault?.drop && stream.framing === 'datagrams') {
      gates.push(new DropGate(route.fault.drop));
      session.client.input.gate = new DropGate(route.fault.drop);
    }
    const mirrors = route.mirrors.filter(({ percent }) => Math.random() * 100 < percent);
    if (mirrors.length > 0) {
      gates.push(new MirrorGate(session, mirrors, options.queue_limit, this.options.log));
    }
    if (gates.length > 0) output.gate = gates.length === 1 ? gates[0] : new Gates(gates);
  }

  private ended(session: PipelineSession, track: number): void {
    session.client.output.gate?.close();
    this.live.remove(session);
    this.taps.ended(session);
    this.options.onEnd(session, session.isLeft);
    if (track > 0) this.track(session, track * 1000);
    if (this.live.size === 0) {
      clearInterval(this.sweeper);
      this.sweeper = undefined;
      for (const told of this.onEmpty.splice(0)) told();
    }
  }

  /** Keeps an ended session listed for so many ms, or until too many others have ended. */
  private track(session: PipelineSession, ms: number): void {
    if (this.tracked.size >= MAX_TRACKED) {
      const [[oldest, timer] = []] = this.tracked;
      clearTimeout(timer);
      if (oldest) this.tracked.delete(oldest);
    }
    this.tracked.set(session, setTimeout(() => this.tracked.delete(session), ms).unref());
  }

  private sweep(): void {
    const now = performance.now();
    this.kernel.sweep(now);
    for (const session of this.live.all()) session.expire(now);
  }

  /** The process ends: sessions that the kernel relays are left to it, for the next process. */
  leave(): void {
    for (const session of this.live.all()) session.leave();
  }

  /**
   * Takes no sessions of new clients; resolves when listeners are `quiet` and the last session has ended. Those left after `timeout` ms
   * are ended as drained.
   */
  async drain(timeout: number, quiet: Promise<void> = Promise.resolve()): Promise<void> {
    this.draining = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeout)));
    try {
      await Promise.race([late, quiet.then(() => this.empty())]);
    } finally {
      clearTimeout(timer);
    }
    await this.close();
  }

  private empty(): Promise<void> {
    if (this.live.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.onEmpty.push(resolve));
  }

  /** Ends every session at once; resolves when all are gone. */
  async close(): Promise<void> {
    this.draining = true;
    const empty = this.empty();
    const reason = new ProxyError('DRAINED', 'the proxy is stopping');
    for (const session of this.live.all()) session.destroy(reason);
    await empty;
    for (const timer of this.tracked.values()) clearTimeout(timer);
    this.tracked.clear();
  }
}
