/** What is known of a session, as the REST API, logs and metrics see it: the session itself writes it down. */
import type { Json, Listener } from '../../gen/l7mp/config/v1/types.ts';
import type { ErrorCode } from '../../common/errors.ts';
import type { LeftPair } from '../core/offload.ts';
import type { Incoming, Metadata, SessionEvent, SessionStatus, SessionView, StageView } from '../core/session.ts';
import type { AttemptSpan, Traced, Tracing } from '../core/trace.ts';
import {
  formatTraceparent,
  parseTraceparent,
  type SpanIds,
  type TraceContext,
} from '../../common/telemetry/trace-context.ts';
import { Activity } from './activity.ts';
import type { ClientSide } from './client-side.ts';
import type { Decision } from './routing.ts';
import type { Stage } from './stage.ts';
import { Timeline } from './timeline.ts';

export abstract class SessionRecord implements Omit<SessionView, 'offload' | 'telemetry' | 'destroy'> {
  readonly id: number;
  readonly name: string;
  readonly metadata: Metadata;
  readonly listener: string;
  readonly startedAt: number;
  /** The same by the clock that never steps, in ms. */
  protected readonly beganAt: number;
  endedAt: number | undefined;
  /** The end, by the clock of `beganAt`. */
  protected overAt: number | undefined;
  status: SessionStatus = 'INIT';
  reason: ErrorCode | 'OK' | undefined;
  retries = 0;
  /** What it is made of, where it goes on from an earlier process. */
  protected readonly resumed: LeftPair | undefined;
  protected readonly activity = new Activity(performance.now());
  private readonly timeline = new Timeline();
  protected readonly traced: Traced | undefined;
  private readonly tracing: Tracing | undefined;
  private readonly traceOf: Incoming['traceOf'];
  abstract readonly client: ClientSide;
  protected decision: Decision | undefined;
  /** The clusters on its way, in order; which of them is its destination. */
  protected stages: readonly Stage[] = [];
  protected destinationAt = 0;

  constructor(id: number, incoming: Incoming, listener: Listener, tracing: Tracing | undefined) {
    const { name, metadata, resumed } = incoming;
    const now = Date.now();
    this.id = id;
    this.name = name;
    this.metadata = metadata;
    this.metadata['name'] = name;
    this.listener = listener.name;
    this.tracing = tracing;
    this.traceOf = incoming.traceOf;
    this.traced = tracing?.begin(incoming, listener);
    this.resumed = resumed;
    this.startedAt = resumed?.note.startedAt ?? now;
    this.beganAt = performance.now() - Math.max(0, now - this.startedAt);
    this.event('INIT', `${resumed ? 'resumed' : 'new'} session from listener ${listener.name}`);
    if (resumed) {
      this.activity.resume(resumed);
      const packets = resumed.traffic.fromClient.packets + resumed.traffic.fromUpstream.packets;
      this.event('ADOPTED', `the kernel has it from an earlier process, and has relayed ${packets} packets of it`);
    }
  }

  /** It goes on from an earlier process. */
  get isResumed(): boolean {
    return this.resumed !== undefined;
  }

  protected event(event: string, message: string, content?: Json): void {
    const timestamp = Date.now();
    const told = content === undefined ? { event, timestamp, message } : { event, timestamp, message, content };
    this.timeline.add(told);
    this.traced?.span?.event(told);
  }

  get trace(): SpanIds | undefined {
    if (this.traced) return this.traced.ids;
    const came = this.traceOf?.(this.metadata);
    return came && parseTraceparent(came.traceparent);
  }

  get recorded(): SpanIds | undefined {
    return this.traced?.span && this.traced.ids;
  }

  /** What those are told that it connects: the span of the attempt, or else its own; or what its client said. */
  traceFor(attempt: AttemptSpan | undefined): TraceContext | undefined {
    const came = this.traceOf?.(this.metadata);
    const { tracing } = this;
    if (tracing === undefined) return came;
    const ids = tracing.propagates.tracecontext ? (attempt ?? this.traced)?.ids : undefined;
    const baggage = tracing.propagates.baggage ? came?.baggage : undefined;
    if (ids) return { traceparent: formatTraceparent(ids), tracestate: came?.tracestate, baggage };
    return came && { ...came, baggage };
  }

  get events(): readonly SessionEvent[] {
    return this.timeline.events;
  }

  get over(): boolean {
    return this.status === 'FINALIZING' || this.status === 'DESTROYED';
  }

  get elapsed(): number {
    return (this.overAt ?? performance.now()) - this.beganAt;
  }

  get counters(): SessionView['counters'] {
    return this.activity.counters;
  }

  get rate(): number {
    return this.activity.rate;
  }

  get rates(): SessionView['rates'] {
    return this.activity.rates;
  }

  get kernelTraffic(): SessionView['kernelTraffic'] {
    return this.activity.kernelTraffic;
  }

  get inherited(): SessionView['inherited'] {
    return this.activity.inherited;
  }

  get route(): string | undefined {
    return this.decision?.route?.name;
  }

  get rule(): string | undefined {
    return this.decision?.rule;
  }

  get rulelist(): string | undefined {
    return this.decision?.rulelist;
  }

  /** Those on its way, in order. */
  get clusters(): readonly string[] {
    return this.stages.map(({ cluster }) => cluster);
  }

  get source(): StageView {
    return this.client.view;
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

  get isHttpRequest(): boolean | undefined {
    return this.client.stream.isHttpRequest;
  }

  get httpStatus(): number | undefined {
    return this.client.httpStatus;
  }

  get grpcStatus(): number | undefined {
    return this.client.stream.grpcStatus;
  }
}
