/**
 * A session from accept to close: finds its route, connects its stages, joins them, and ends them together.
 *
 * ```
 *   client ──▶ ingress stages ──▶ destination
 *      ▲                              │          each arrow is a Link
 *      └────── egress stages ◀────────┘
 * ```
 */
import type { Json, Listener, Retry, Route } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import { type ErrorCode, ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KernelPath, OffloadableSession } from '../core/kernel-path.ts';
import type {
  Flow,
  FlowEnds,
  FlowTraffic,
  LeftPair,
  OffloadRefusal,
  OffloadView,
  SessionNote,
} from '../core/offload.ts';
import type {
  DirectionCounters,
  Incoming,
  Metadata,
  SessionEvent,
  SessionStatus,
  SessionView,
  StageView,
} from '../core/session.ts';
import type { EndReason, Frames, Framing, Signal, Sink, Stream } from '../core/stream.ts';
import { addToNote, NO_TRAFFIC } from '../core/traffic.ts';
import { Activity, newCounters } from './activity.ts';
import { framed } from './framing.ts';
import { flowEndsOf } from './flow-ends.ts';
import { Link } from './link.ts';
import { changedRoute, type Decision, decide, destinationOf, type RoutingTable } from './routing.ts';
import { Stage, type StageOwner } from './stage.ts';
import { Timeline } from './timeline.ts';

/** What a session needs of its manager. */
export interface SessionContext {
  readonly listener: Listener;
  /** The configuration that it is routed with, for as long as it lives. */
  readonly table: RoutingTable;
  readonly log: Logger;
  /** Undefined: every session stays in user space. */
  readonly kernel: KernelPath | undefined;
  /** Its route is known, and nothing has been read yet: gates are set. */
  onRouted(session: PipelineSession): void;
  /** Its stages are connected, for the first time. */
  onConnected(session: PipelineSession): void;
  /** It is over: its streams are gone and its counters are final. */
  onDestroyed(session: PipelineSession): void;
}

/** How long streams that were ended in order have to flush, in ms. */
const FLUSH_TIMEOUT = 30_000;

/** What breaks off what a peer says, in the middle: a reset, or bytes that its protocol does not have. */
const BREAKS: ReadonlySet<ErrorCode> = new Set(['PEER_RESET', 'PROTOCOL_ERROR', 'TOO_LARGE']);

/** The least time over which a rate is measured, in ms. */
const RATE_INTERVAL = 1000;

/** The same where the kernel is asked now and then: its packets come in lumps. */
const MIN_RATE_INTERVAL = 100;

export class PipelineSession implements SessionView, StageOwner, OffloadableSession {
  readonly id: number;
  readonly name: string;
  readonly metadata: Metadata;
  readonly listener: string;
  readonly startedAt: number;
  /** The same by the clock that never steps, as all times here that aren't shown, in ms. */
  private readonly beganAt: number;
  endedAt: number | undefined;
  status: SessionStatus = 'INIT';
  reason: ErrorCode | 'OK' | undefined;
  retries = 0;
  private readonly timeline = new Timeline();
  private readonly activity = new Activity(performance.now());
  /** What it is made of, where it goes on from an earlier process. */
  private readonly resumed: LeftPair | undefined;
  readonly inherited: SessionView['inherited'];
  /** It stays in the kernel, for the next process. */
  isLeft = false;
  /** Its place among the live sessions. */
  slot = 0;
  /** The listener's limit for a session in which nothing moves, in ms; 0 is never. */
  idleTimeout = 0;
  /** One side has ended and the other can't be told: it ends when nothing moves any more. */
  private lingering = false;
  private readonly context: SessionContext;
  /** Another one once its frames are left to its ends. */
  private client: Stream;
  private clientOpen = true;
  private decision: Decision | undefined;
  private stages: readonly Stage[] = [];
  private destinationAt = 0;
  private readonly fromClient: Link;
  private readonly toClient: Link;
  /** When what was written must be out. */
  private flushUntil = Infinity;

  constructor(id: number, incoming: Incoming, context: SessionContext) {
    const { listener } = context;
    const { resumed } = incoming;
    const now = Date.now();
    this.id = id;
    this.context = context;
    this.resumed = resumed;
    this.startedAt = resumed?.note.startedAt ?? now;
    this.beganAt = performance.now() - Math.max(0, now - this.startedAt);
    this.name = incoming.name;
    this.listener = listener.name;
    this.metadata = incoming.metadata;
    this.metadata['name'] = incoming.name;
    this.client = framed(incoming.stream, listener.options.framing);
    this.fromClient = this.newLink(this.counters.ingress);
    this.toClient = this.newLink(this.counters.egress);
    this.event('INIT', `${resumed ? 'resumed' : 'new'} session from listener ${listener.name}`);
    if (resumed) {
      const { note, traffic } = resumed;
      this.inherited = addToNote(note, traffic);
      this.activity.resume(this.inherited, traffic.lastSeen);
      const packets = traffic.fromClient.packets + traffic.fromUpstream.packets;
      this.event('ADOPTED', `the kernel has it from an earlier process, and has relayed ${packets} packets of it`);
    }
  }

  /** Opens the client's stream, finds the route, and connects. False: it was refused. */
  start(): boolean {
    if (this.resumed) this.context.kernel?.kept?.resume(this, this.resumed);
    this.fromClient.setReader(this.client);
    const decision = this.decide();
    if (decision instanceof ProxyError) {
      this.client.open(new ClientSink(this, this.fromClient, this.toClient));
      this.event('LOOKUP FAILED', decision.message);
      this.finish(decision);
      return false;
    }
    this.decision = decision;
    // Opening it may bring the first chunks: the gates stand before.
    this.context.onRouted(this);
    this.client.open(new ClientSink(this, this.fromClient, this.toClient));
    const { route, rule } = decision;
    this.event('LOOKUP SUCCESS', `route ${route.name} by rule ${rule}`);
    const clusters = [...route.ingress, this.resumed?.note.cluster ?? destinationOf(route), ...route.egress];
    this.destinationAt = route.ingress.length;
    let input = this.fromClient;
    this.stages = clusters.map((cluster, index) => {
      const output = index === clusters.length - 1 ? this.toClient : this.newLink(newCounters());
      const stage = new Stage(this, cluster, input, output);
      input.next = output;
      input = output;
      return stage;
    });
    for (const stage of this.stages) {
      if (this.over) break;
      stage.connect();
    }
    return !this.over;
  }

  get counters(): { readonly ingress: DirectionCounters; readonly egress: DirectionCounters } {
    return this.activity.counters;
  }

  get rate(): number {
    return this.activity.rate;
  }

  get kernelTraffic(): SessionView['kernelTraffic'] {
    return this.activity.kernelTraffic;
  }

  /** Those on its way, in order. */
  get clusters(): readonly string[] {
    return this.stages.map(({ cluster }) => cluster);
  }

  private decide(): Decision | ProxyError {
    try {
      const decision = decide(this.context.table, this.context.listener.rules, this.metadata);
      return (this.resumed && changedRoute(this.resumed.note, decision.route)) ?? decision;
    } catch (error) {
      return ProxyError.from(error);
    }
  }

  get route(): string | undefined {
    return this.decision?.route.name;
  }

  get rule(): string | undefined {
    return this.decision?.rule;
  }

  get rulelist(): string | undefined {
    return this.decision?.rulelist;
  }

  get routeConfig(): Route | undefined {
    return this.decision?.route;
  }

  get source(): StageView {
    return { origin: this.listener, status: this.clientOpen ? 'READY' : 'FINALIZED', attempts: 1 };
  }

  get destination(): StageView | undefined {
    return this.stages[this.destinationAt]?.view;
  }

  get ingress(): readonly StageView[] {
    return this.stages.slice(0, this.destinationAt).map((stage) => stage.view);
  }

  get egress(): readonly StageView[] {
    return this.stages.slice(this.destinationAt + 1).map((stage) => stage.view);
  }

  /** The link that what the client sends enters first. */
  get clientLink(): Link {
    return this.fromClient;
  }

  get clientFraming(): Framing {
    return this.client.framing;
  }

  get clientAltered(): boolean {
    return this.client.altered === true;
  }

  get queueLimit(): number {
    return this.context.listener.options.queue_limit;
  }

  get clientReliable(): boolean {
    return this.client.reliable;
  }

  get offload(): OffloadView {
    return (
      this.context.kernel?.view(this) ?? { state: 'user', reason: 'kernel offload is not asked for (admin.offload)' }
    );
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
      client: this.client,
      clusters: this.clusters,
      upstream: stage.stream,
      retryOn: this.retry.retry_on,
      keptOut: this.fromClient.gate?.keepsOut,
    });
  }

  /** Only where the kernel may relay them; what that hangs on does not change while it lives. */
  private followFrames(): void {
    const { client } = this;
    const upstream = this.stages[0]?.stream;
    if (!this.context.kernel || !client.frames || !upstream?.frames) return;
    if (this.offloadPolicy.policy === 'never' || 'reason' in this.flowEnds) return;
    for (const { frames } of [client, upstream]) frames?.follow();
  }

  settle(): boolean {
    if (!this.fromClient.isClear || !this.toClient.isClear) return false;
    const [stage] = this.stages;
    const [here, there] = [this.client.frames, stage?.stream?.frames];
    if (!stage || !here || !there) return true;
    if (here.areWhole && there.areWhole) this.liftFrames(here, there, stage);
    return false;
  }

  private liftFrames(here: Frames, there: Frames, stage: Stage): void {
    this.client = here.lift();
    this.fromClient.setReader(this.client);
    this.client.open(new ClientSink(this, this.fromClient, this.toClient));
    stage.exchange(there.lift());
    this.toClient.setWriter(this.client);
    for (const stream of [this.client, stage.stream]) stream?.resume();
    this.event('BYTES', `frames of ${here.protocol} are left to both ends`);
  }

  /** The sockets are closed by whoever had the kernel relay them. */
  endedInKernel(error?: ProxyError): void {
    if (this.over) return;
    this.status = 'FINALIZING';
    this.reason = error?.code ?? 'OK';
    this.event('END', error?.message ?? 'the streams have ended');
    this.clientOpen = false;
    for (const stage of this.stages) stage.letGo();
    this.checkOver();
  }

  get note(): SessionNote {
    const { name, listener, route = '', startedAt, activity } = this;
    const { counters, kernelTraffic: relayed = { ingress: NO_TRAFFIC, egress: NO_TRAFFIC } } = activity;
    const passed = { ingress: { ...counters.ingress }, egress: { ...counters.egress } };
    return { name, listener, route, cluster: this.clusters[0] ?? '', startedAt, passed, relayed };
  }

  /** The process ends: where it is in the kernel, it is left there, and its streams are closed. */
  leave(): void {
    this.isLeft = this.context.kernel?.kept?.leave(this) === true;
    if (this.isLeft) this.finish(new ProxyError('DRAINED', 'the kernel keeps it for the next process'));
  }

  /** The kernel has relayed so much more. `lastSeen` and `now`: as performance.now() gives them. */
  relayed(ingress: FlowTraffic, egress: FlowTraffic, lastSeen: number | undefined, now: number): void {
    this.activity.relayed(ingress, egress, lastSeen);
    this.measure(now, MIN_RATE_INTERVAL);
  }

  /** What the timeline says of its way. */
  passesKernel(message: string): void {
    this.event('KERNEL', message);
  }

  passesUserSpace(message: string): void {
    this.event('USER SPACE', message);
  }

  get events(): readonly SessionEvent[] {
    return this.timeline.events;
  }

  get over(): boolean {
    return this.status === 'FINALIZING' || this.status === 'DESTROYED';
  }

  destroy(error: ProxyError): void {
    this.finish(error);
  }

  // What its stages need, and tell.

  get httpStatus(): number | undefined {
    return this.client.httpStatus;
  }

  get retry(): Retry {
    const { decision } = this;
    if (decision === undefined) throw new ProxyError('INTERNAL', `session ${this.name} has no route yet`);
    return decision.route.retry;
  }

  get resumedFlow(): Flow | undefined {
    return this.resumed?.upstream;
  }

  get connectTimeout(): number {
    return this.decision?.route.timeouts.connect || this.retry.timeout;
  }

  cluster(name: string): ClusterHandle | undefined {
    return this.context.table.cluster(name);
  }

  alters(stage: Stage): boolean {
    if (this.clientAltered) return true;
    return this.stages.some((other) => other !== stage && this.cluster(other.cluster)?.transparent !== true);
  }

  stageReady(): void {
    // A transform may have ended already, in order: a short request may be over before its destination is connected.
    if (this.over || this.stages.some(({ status }) => status === 'INIT' || status === 'RETRYING')) return;
    const first = this.status === 'INIT';
    this.status = 'CONNECTED';
    this.event('CONNECT', first ? 'all stages are connected' : 'connected again');
    if (!first) return;
    this.client.connected?.(this.stages.some(({ stream }) => stream?.responds === true));
    this.followFrames();
    this.toClient.setWriter(this.client);
    this.context.onConnected(this);
    this.context.kernel?.kept?.connected(this);
  }

  stageRetrying(stage: Stage, error: ProxyError): void {
    void this.context.kernel?.release(this);
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

  /** The client's stream is gone. */
  clientClosed(error?: ProxyError): void {
    this.clientOpen = false;
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

  /** Ends it where its time is over. `now`: as performance.now() gives it. */
  expire(now: number): void {
    this.measure(now);
    const timeouts = this.decision?.route.timeouts;
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
    const idle = timeouts?.idle ?? this.idleTimeout;
    if (idle > 0 && silent >= idle) {
      this.context.kernel?.refresh(this, now);
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
    if (packetsPerSecond !== undefined && this.status === 'CONNECTED') {
      this.context.kernel?.measured(this, packetsPerSecond, now);
    }
  }

  /** A link has told its writer of the end. */
  private readonly onLinkFinished = (link: Link): void => {
    const stage = this.stages.find(({ input }) => input === link);
    const writer = stage === undefined ? this.client : stage.stream;
    if (writer?.halfClose !== false) return;
    if (!this.over) this.lingering = true;
    else if (stage) stage.destroy(undefined, false);
    else writer.destroy();
  };

  /** Whether the kernel still has it: `then` is called once it is given back. */
  private waitsForKernel(then: () => void): boolean {
    const released = this.context.kernel?.release(this);
    void released?.then(then);
    return released !== undefined;
  }

  /** One end is gone, or both have ended: what was written is flushed, and what is left is closed. */
  private finishInOrder(error?: ProxyError): void {
    if (this.over || this.waitsForKernel(() => this.finishInOrder(error))) return;
    this.status = 'FINALIZING';
    this.reason = error?.code ?? 'OK';
    this.event('END', error?.message ?? 'the streams have ended');
    for (const stage of this.stages) {
      if (stage.status !== 'READY' || (stage.input.finished && stage.stream?.halfClose === false)) {
        stage.destroy(undefined, false);
      }
    }
    this.fromClient.finish();
    for (const stage of this.stages) if (stage.status === 'FINALIZED') stage.output.finish();
    if (this.clientOpen && this.toClient.finished && !this.client.halfClose) this.client.destroy();
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
      const fields = { session, listener, error: error.message };
      this.context.log.warn(fields, 'a session that an earlier process has left in the kernel can not go on');
    }
    const untold = this.status === 'INIT' || this.client.unanswered === true;
    this.status = 'FINALIZING';
    this.reason = error.code;
    this.event('END', error.message);
    if (untold && this.clientOpen && this.client.refuse && error.code !== 'DELETED') {
      this.client.refuse(error);
      // It was told why: its stream closes by itself.
      this.flushUntil = performance.now() + FLUSH_TIMEOUT;
      this.cutStages(error);
      this.checkOver();
    } else {
      this.cut(error);
    }
  }

  private cut(error: ProxyError | undefined): void {
    const reset = this.cutStages(error);
    if (this.clientOpen) this.client.destroy(reset ? error : undefined);
    this.checkOver();
  }

  private cutStages(error: ProxyError | undefined): boolean {
    // What a peer did to one side is done to the other, so that nobody takes it for an end. All else is a plain close.
    const reset = error !== undefined && BREAKS.has(error.code);
    for (const stage of this.stages) stage.destroy(error, reset);
    return reset;
  }

  private checkOver(): void {
    if (this.status !== 'FINALIZING' || this.clientOpen) return;
    if (this.stages.some((stage) => stage.status !== 'FINALIZED')) return;
    this.status = 'DESTROYED';
    this.endedAt = Date.now();
    this.activity.rate = 0;
    this.event('DESTROYED', `ended: ${this.reason ?? 'OK'}`);
    this.context.onDestroyed(this);
  }

  private newLink(counters: DirectionCounters): Link {
    return new Link(counters, this.context.listener.options.queue_limit, this.onLinkFinished);
  }

  private event(event: string, message: string, content?: Json): void {
    const timestamp = Date.now();
    this.timeline.add(content === undefined ? { event, timestamp, message } : { event, timestamp, message, content });
  }
}

/** Hears the client's stream. */
class ClientSink implements Sink {
  private readonly session: PipelineSession;
  private readonly output: Link;
  private readonly input: Link;

  constructor(session: PipelineSession, output: Link, input: Link) {
    this.session = session;
    this.output = output;
    this.input = input;
  }

  data(chunk: Buffer, text: boolean): void {
    this.output.push(chunk, text);
  }

  signal(signal: Signal): void {
    this.output.signal(signal);
  }

  end(reason?: EndReason): void {
    this.output.finish(reason);
  }

  drain(): void {
    this.input.drain();
  }

  close(error?: ProxyError): void {
    this.session.clientClosed(error);
  }
}
