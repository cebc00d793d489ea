/**
 * A session from accept to close: finds its route, connects its stages, joins them, and ends them together.
 *
 * ```
 *   client ──▶ ingress stages ──▶ destination
 *      ▲                              │          each arrow is a Link
 *      └────── egress stages ◀────────┘
 * ```
 */
import type { Listener, Retry, Route } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import { type ErrorCode, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type KernelPath, type OffloadableSession, tellLost } from '../core/kernel-path.ts';
import type { Flow, FlowEnds, FlowTraffic, OffloadRefusal, OffloadView, SessionNote } from '../core/offload.ts';
import type { DirectionCounters, Incoming, SessionView } from '../core/session.ts';
import type { TapSide } from '../core/tap.ts';
import type { AttemptSpan, Tracing } from '../core/trace.ts';
import { newCounters } from './activity.ts';
import type { AnswerEdit } from './answer-edit.ts';
import { type ClientOwner, ClientSide } from './client-side.ts';
import { type Course, courseOf } from './course.ts';
import { framed } from './framing.ts';
import { flowEndsOf } from './flow-ends.ts';
import { Link, type LinkOwner } from './link.ts';
import { type Visit, visitOf } from './persistence.ts';
import { changedRoute, type Decision, decide, type RoutingTable } from './routing.ts';
import { rewriteMetadata } from './rewrite.ts';
import { SessionRecord } from './session-record.ts';
import { Stage, type StageOwner } from './stage.ts';
import { TAPPED, type TappableSide } from './taps.ts';

/** What a session needs of its manager. */
export interface SessionContext {
  readonly listener: Listener;
  /** The configuration that it is routed with, for as long as it lives. */
  readonly table: RoutingTable;
  readonly log: Logger;
  readonly kernel: KernelPath;
  /** Undefined: nothing is recorded. */
  readonly tracing: Tracing | undefined;
  /** For a session in which nothing moves and whose route has no limit of its own, in ms; 0 is never. */
  readonly idleTimeout: number;
  /** Why it may not go on its route; undefined: it may, and is counted. */
  refusalOn(session: PipelineSession, route: Route): ProxyError | undefined;
  /** Its route is known, and nothing has been read yet: gates are set. */
  onRouted(session: PipelineSession, route: Route): void;
  /** The stages on its way are there, and not connected yet. */
  onStaged(session: PipelineSession): void;
  /** Its stages are connected, for the first time. */
  onConnected(session: PipelineSession): void;
  /** It is over: its streams are gone and its counters are final. */
  onDestroyed(session: PipelineSession): void;
}

/** How long streams that were ended in order have to flush, in ms. */
const FLUSH_TIMEOUT = 30_000;

/** What breaks off what a peer says, in the middle: a reset, or bytes that its protocol does not have. */
const BREAKS: ReadonlySet<ErrorCode> = new Set(['FAULT_INJECTED', 'PEER_RESET', 'PROTOCOL_ERROR', 'TOO_LARGE']);

/** The least time over which a rate is measured, in ms. */
const RATE_INTERVAL = 1000;

/** The same where the kernel is asked now and then: its packets come in lumps. */
const MIN_RATE_INTERVAL = 100;

/** Packets that are captured have other ends than the streams that they become. */
const CAPTURED: OffloadRefusal = {
  reason: 'transform',
  message: 'expected a client of its own, found one that was captured',
};

export class PipelineSession
  extends SessionRecord
  implements SessionView, ClientOwner, LinkOwner, StageOwner, OffloadableSession
{
  /** It stays in the kernel, for the next process. */
  isLeft = false;
  /** Its place among the live sessions. */
  slot = 0;
  /** How many look at what passes: the kernel is not offered it meanwhile. */
  taps = 0;
  readonly client: ClientSide;
  private readonly context: SessionContext;
  /** The kernel has led it here: its packets have other ends than its streams. */
  private readonly isCaptured: boolean;
  private readonly fromClient: Link;
  private readonly toClient: Link;
  /** One side has ended and the other can't be told: it ends when nothing moves any more. */
  private lingering = false;
  /** What the route does to the header of an answer, if anything. */
  private edit: AnswerEdit | undefined;
  /** What its client's token says, where the route has such. */
  private visit: Visit | undefined;
  /** It waits before it is connected, on purpose. */
  private delay: NodeJS.Timeout | undefined;
  /** When what was written must be out. */
  private flushUntil = Infinity;

  constructor(id: number, incoming: Incoming, context: SessionContext) {
    super(id, incoming, context.listener, context.tracing);
    this.context = context;
    this.isCaptured = 'Capture' in incoming.metadata;
    this.fromClient = this.newLink(this.counters.ingress);
    this.toClient = this.newLink(this.counters.egress);
    const stream = framed(incoming.stream, context.listener.options.framing);
    this.client = new ClientSide(this, stream, this.fromClient, this.toClient);
  }

  /** Opens the client's stream, finds the route, and connects. False: it was refused. */
  start(): boolean {
    if (this.resumed) this.context.kernel.kept?.resume(this, this.resumed);
    this.fromClient.setReader(this.client.stream);
    const decision = this.decide();
    if (decision instanceof ProxyError) {
      this.client.open();
      this.event('LOOKUP FAILED', decision.message);
      this.finish(decision);
      return false;
    }
    this.decision = decision;
    const { route, rule, answer } = decision;
    return route ? this.take(route, rule) : this.answer(answer, rule);
  }

  /** It ends here, with what it is told. */
  private answer(answer: ProxyError | undefined, rule: string): false {
    this.client.open();
    this.event('LOOKUP SUCCESS', `an answer by rule ${rule}`);
    this.finish(answer ?? new ProxyError('INTERNAL', `rule ${rule} decides nothing`));
    return false;
  }

  /** Goes on a route: connects, or is answered on the way. */
  private take(route: Route, rule: string): boolean {
    const refused = this.context.refusalOn(this, route);
    if (refused) return this.answer(refused, rule);
    const { metadata, context } = this;
    this.visit = visitOf(route, context.table, metadata);
    const course = courseOf(route, {
      metadata,
      isNew: !this.resumed,
      visit: this.visit,
      placeNow: () => this.stages[this.destinationAt]?.place,
    });
    const { edit, delay, answer, destination } = course;
    this.edit = edit;
    this.toClient.edit = edit?.signal;
    if (answer && delay === 0) return this.answer(answer, rule);
    // Opening it may bring the first chunks: the gates stand before.
    this.context.onRouted(this, route);
    this.client.open();
    this.event('LOOKUP SUCCESS', `route ${route.name} by rule ${rule}`);
    if (destination) rewriteMetadata(destination.rewrite, this.metadata);
    if (delay === 0) return this.follow(route, course);
    this.event('FAULT', `it waits for ${delay} ms, as the route's fault.delay says`);
    this.delay = setTimeout(() => this.follow(route, course), delay);
    return true;
  }

  private follow(route: Route, { answer, destination }: Course): boolean {
    if (answer) this.finish(answer);
    else this.connect(route, destination?.cluster ?? route.destination ?? '');
    return !this.over;
  }

  private connect(route: Route, destination: string): void {
    const clusters = [...route.ingress, this.resumed?.note.cluster ?? destination, ...route.egress];
    this.destinationAt = route.ingress.length;
    let input = this.fromClient;
    this.stages = clusters.map((cluster, index) => {
      const output = index === clusters.length - 1 ? this.toClient : this.newLink(newCounters());
      const stage = new Stage(this, cluster, input, output);
      input.next = output;
      input = output;
      return stage;
    });
    this.context.onStaged(this);
    for (const stage of this.stages) {
      if (this.over) break;
      stage.connect();
    }
  }

  private decide(): Decision | ProxyError {
    try {
      const decision = decide(this.context.table, this.context.listener.rules, this.metadata);
      return (this.resumed && changedRoute(this.resumed.note, decision.route)) ?? decision;
    } catch (error) {
      return ProxyError.from(error);
    }
  }

  /** The process ends: where it is in the kernel, it is left there, and its streams are closed. */
  leave(): void {
    this.isLeft = this.context.kernel.kept?.leave(this) === true;
    if (this.isLeft) this.finish(new ProxyError('DRAINED', 'the kernel keeps it for the next process'));
  }

  destroy(error: ProxyError): void {
    this.finish(error);
  }

  // What the kernel's way needs of it, and tells.

  get clientReliable(): boolean {
    return this.client.stream.reliable;
  }

  get offload(): OffloadView {
    const view = this.context.kernel.view(this);
    return view.state === 'user' && this.taps > 0 ? { state: 'user', reason: TAPPED.message } : view;
  }

  /** What is read of the stream on one side, and what it is written; undefined: that side isn't there yet. */
  sideOf(side: TapSide): TappableSide | undefined {
    const { client, stages } = this;
    if (side === 'client') return { read: client.output, written: client.input, stream: client.stream };
    const stage = stages[this.destinationAt];
    return stage && { read: stage.output, written: stage.input, stream: stage.stream };
  }

  get telemetry(): Listener['options']['telemetry'] {
    return this.context.listener.options.telemetry;
  }

  get offloadPolicy(): Listener['options']['offload'] {
    return this.context.listener.options.offload;
  }

  /** Both sides as packets see them; or what keeps it in user space. */
  get flowEnds(): FlowEnds | OffloadRefusal {
    const [stage] = this.stages;
    if (stage?.stream === undefined || this.status !== 'CONNECTED') {
      return { reason: 'state', message: `expected a connected session, found it ${this.status}` };
    }
    return flowEndsOf({
      listener: this.listener,
      client: this.client.stream,
      clusters: this.clusters,
      upstream: stage.stream,
      retryOn: this.retry.retry_on,
      keptOut: this.isCaptured ? CAPTURED : this.fromClient.gate?.keepsOut,
    });
  }

  private followFrames(): void {
    const streams = [this.client.stream, this.stages[0]?.stream];
    if (!streams.every((stream) => stream?.frames) || !this.context.kernel.mayTake(this)) return;
    for (const stream of streams) stream?.frames?.follow();
  }

  settle(): boolean {
    if (!this.fromClient.isClear || !this.toClient.isClear) return false;
    const { client, stages } = this;
    const [stage] = stages;
    const [here, there] = [client.stream.frames, stage?.stream?.frames];
    if (!stage || !here || !there) return true;
    if (here.areWhole && there.areWhole) {
      client.exchange(here.lift());
      stage.exchange(there.lift());
      for (const side of [client, stage]) side.stream?.resume();
      this.event('BYTES', `frames of ${here.protocol} are left to both ends`);
    }
    return false;
  }

  /** The sockets are closed by whoever had the kernel relay them. */
  endedInKernel(error?: ProxyError): void {
    if (this.over) return;
    this.conclude(error);
    this.client.letGo();
    for (const stage of this.stages) stage.letGo();
    this.checkOver();
  }

  get note(): SessionNote {
    const { name, listener, route = '', startedAt, stages } = this;
    return { name, listener, route, cluster: stages[0]?.cluster ?? '', startedAt, ...this.activity.sums };
  }

  /** The kernel has relayed so much more. `lastSeen` and `now`: as performance.now() gives them. */
  relayed(ingress: FlowTraffic, egress: FlowTraffic, lastSeen: number | undefined, now: number): void {
    this.activity.relayed(ingress, egress, lastSeen);
    this.measure(now, MIN_RATE_INTERVAL);
  }

  passesKernel(message: string): void {
    this.event('KERNEL', message);
  }

  passesUserSpace(message: string): void {
    this.event('USER SPACE', message);
  }

  // What its stages, its client and its links need of it, and tell.

  get retry(): Retry {
    const { decision } = this;
    if (!decision?.route) throw new ProxyError('INTERNAL', `session ${this.name} has no route yet`);
    return decision.route.retry;
  }

  get resumedFlow(): Flow | undefined {
    return this.resumed?.upstream;
  }

  get connectTimeout(): number {
    return this.decision?.route?.timeouts.connect || this.retry.timeout;
  }

  get attemptTimeout(): number {
    return this.decision?.route?.timeouts.attempt ?? 0;
  }

  cluster(name: string): ClusterHandle | undefined {
    return this.context.table.cluster(name);
  }

  preferred(stage: Stage): string | undefined {
    return this.visit && stage === this.stages[this.destinationAt] ? this.visit.in(stage.cluster) : undefined;
  }

  spanOf(cluster: string): AttemptSpan | undefined {
    return this.traced?.span?.attempt(cluster);
  }

  alters(stage: Stage): boolean {
    if (this.client.stream.altered === true) return true;
    return this.stages.some((other) => other !== stage && this.cluster(other.cluster)?.transparent !== true);
  }

  stageReady(): void {
    // A transform may have ended already, in order: a short request may be over before its destination is connected.
    if (this.over || this.stages.some(({ status }) => status === 'INIT' || status === 'RETRYING')) return;
    const first = this.status === 'INIT';
    this.status = 'CONNECTED';
    this.event('CONNECT', first ? 'all stages are connected' : 'connected again');
    if (!first) return;
    this.client.connected(this.stages.some(({ stream }) => stream?.responds === true));
    this.followFrames();
    this.context.onConnected(this);
    this.context.kernel.kept?.connected(this);
  }

  stageRetrying(stage: Stage, error: ProxyError): void {
    void this.context.kernel.release(this);
    this.retries++;
    if (this.status === 'CONNECTED') {
      this.status = 'DISCONNECTED';
      this.event('DISCONNECT', error.message, stage.cluster);
    }
    this.event('RETRY', error.message, stage.cluster);
  }

  stageFailed(stage: Stage, error: ProxyError): void {
    this.event('ERROR', error.message, stage.cluster);
    if (this.over) this.checkOver();
    else this.finish(error);
  }

  stageClosed(stage: Stage, error?: ProxyError): void {
    stage.input.discard();
    if (error) this.event('ERROR', error.message, stage.cluster);
    if (this.over) this.checkOver();
    else if (this.stages.every(({ status }) => status === 'FINALIZED')) this.finishInOrder(error);
  }

  clientClosed(error?: ProxyError): void {
    this.toClient.discard();
    if (this.over) {
      if (error && this.status !== 'DESTROYED') this.event('ERROR', error.message);
      this.checkOver();
    } else if (error) {
      this.finish(error);
    } else {
      this.finishInOrder();
    }
  }

  linkFinished(link: Link): void {
    const side = this.stages.find(({ input }) => input === link) ?? this.client;
    if (side.stream?.halfClose !== false) return;
    if (!this.over) {
      this.lingering = true;
      return;
    }
    side.destroy(undefined, false);
    this.checkOver();
  }

  /** Ends it where its time is over. `now`: as performance.now() gives it. */
  expire(now: number): void {
    this.measure(now);
    const timeouts = this.decision?.route?.timeouts;
    let silent = this.activity.silence(now);
    if (this.lingering && silent >= (timeouts?.half_close ?? 0)) {
      if (this.over) this.cut(undefined);
      else this.finishInOrder();
      return;
    }
    if (this.over) {
      if (now >= this.flushUntil) this.cut(undefined);
      return;
    }
    const idle = timeouts?.idle ?? this.context.idleTimeout;
    if (idle > 0 && silent >= idle) {
      this.context.kernel.refresh(this, now);
      silent = this.activity.silence(now);
    }
    if (idle > 0 && silent >= idle) {
      this.finish(new ProxyError('IDLE_TIMEOUT', `nothing moved for ${idle} ms`));
    } else if (timeouts && timeouts.session > 0 && now - this.beganAt >= timeouts.session) {
      this.finish(new ProxyError('SESSION_TIMEOUT', `it lasted ${timeouts.session} ms`));
    }
  }

  private measure(now: number, least = RATE_INTERVAL): void {
    const packetsPerSecond = this.activity.measure(now, least);
    if (packetsPerSecond !== undefined && this.status === 'CONNECTED' && this.taps === 0) {
      this.context.kernel.measured(this, packetsPerSecond, now);
    }
  }

  /** Whether the kernel still has it: `then` is called once it is given back. */
  private waitsForKernel(then: () => void): boolean {
    const released = this.context.kernel.release(this);
    void released?.then(then);
    return released !== undefined;
  }

  /** One end is gone, or both have ended: what was written is flushed, and what is left is closed. */
  private finishInOrder(error?: ProxyError): void {
    if (this.over || this.waitsForKernel(() => this.finishInOrder(error))) return;
    this.conclude(error);
    for (const stage of this.stages) {
      if (stage.status !== 'READY' || (stage.input.finished && stage.stream?.halfClose === false)) {
        stage.destroy(undefined, false);
      }
    }
    this.fromClient.finish();
    for (const stage of this.stages) if (stage.status === 'FINALIZED') stage.output.finish();
    if (this.toClient.finished && !this.client.stream.halfClose) this.client.destroy(undefined, false);
    // A cluster that was told of the end, and doesn't end: it is waited for as long as something moves. A client has
    // its time to flush: what it still has to read is not seen to move.
    this.lingering = this.stages.some(({ output }) => !output.ended);
    this.flushUntil = performance.now() + FLUSH_TIMEOUT;
    this.checkOver();
  }

  /** Ends everything at once, also what is being flushed. */
  private finish(error: ProxyError): void {
    if (this.over) {
      this.cut(error);
      return;
    }
    if (this.waitsForKernel(() => this.finish(error))) return;
    if (this.resumed && this.status === 'INIT' && !this.isLeft) {
      const { name: session, listener } = this;
      tellLost(this.context.log, { session, listener, error: error.message });
    }
    const { stream, isOpen } = this.client;
    const untold = this.status === 'INIT' || stream.unanswered === true;
    this.conclude(error);
    if (untold && isOpen && stream.refuse && error.code !== 'DELETED') {
      stream.refuse(this.edit?.refusal(error) ?? error);
      // It was told why: its stream closes by itself.
      this.flushUntil = performance.now() + FLUSH_TIMEOUT;
      this.cutStages(error);
      this.checkOver();
    } else {
      this.cut(error);
    }
  }

  /** It is over: what is left is to be flushed, and closed. */
  private conclude(error: ProxyError | undefined): void {
    clearTimeout(this.delay);
    this.status = 'FINALIZING';
    this.reason = error?.code ?? 'OK';
    this.event('END', error?.message ?? 'the streams have ended');
  }

  private cut(error: ProxyError | undefined): void {
    const reset = this.cutStages(error);
    this.client.destroy(error, reset);
    this.checkOver();
  }

  private cutStages(error: ProxyError | undefined): boolean {
    // What a peer did to one side is done to the other, so that nobody takes it for an end. All else is a plain close.
    const reset = error !== undefined && BREAKS.has(error.code);
    for (const stage of this.stages) stage.destroy(error, reset);
    return reset;
  }

  private checkOver(): void {
    if (this.status !== 'FINALIZING' || this.client.isOpen) return;
    if (this.stages.some((stage) => stage.status !== 'FINALIZED')) return;
    this.status = 'DESTROYED';
    this.endedAt = Date.now();
    this.overAt = performance.now();
    this.activity.stop();
    this.event('DESTROYED', `ended: ${this.reason ?? 'OK'}`);
    this.traced?.span?.end(this);
    this.context.onDestroyed(this);
  }

  private newLink(counters: DirectionCounters): Link {
    return new Link(this, counters, this.context.listener.options.queue_limit);
  }
}
