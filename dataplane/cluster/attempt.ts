/** One session's way to an endpoint: what its connector is asked, then the session's hold on what was connected. */
import type { Opened, OpenRequest } from '../core/cluster.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { SpanIds, TraceContext } from '../../common/telemetry/trace-context.ts';
import type { ConnectRequest } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import type { Stream } from '../core/stream.ts';
import type { Endpoint } from './endpoint.ts';

/** Hears how attempts go. */
export interface AttemptOwner {
  /** The endpoint served a session, or failed it. */
  outcome(endpoint: Endpoint, ok: boolean): void;
  /** A session has done with its stream; `verdict` is what the protocol reported last. */
  released(attempt: Attempt, error: ProxyError | undefined, verdict: boolean | undefined): void;
}

/** One object for both, as requests over kept connections are many: there it is all that `open` allocates. */
export class Attempt implements ConnectRequest, Opened {
  readonly session: string;
  readonly metadata: Metadata;
  readonly timeout: number;
  altered: boolean;
  readonly target: Endpoint;
  readonly from: ConnectRequest['from'];
  readonly trace: TraceContext | undefined;
  /** When it began, in ms, by a clock that never steps. */
  readonly beganAt = performance.now();
  /** Of the answer, in words of HTTP; 0: none has come. */
  httpStatus = 0;
  /** Its span, where it is recorded. */
  readonly recorded: SpanIds | undefined;
  /** There once it is connected. */
  stream!: Stream;
  private readonly owner: AttemptOwner;
  private controller: AbortController | undefined;
  private abortedWith: ProxyError | undefined;
  private abortHandler: ((reason: ProxyError) => void) | undefined;
  private verdict: boolean | undefined;
  private released = false;

  constructor(request: OpenRequest, target: Endpoint, owner: AttemptOwner) {
    this.session = request.session;
    this.metadata = request.metadata;
    this.timeout = request.timeout;
    this.altered = request.altered;
    this.target = target;
    this.from = request.flow?.local;
    this.trace = request.trace;
    this.recorded = request.span?.ids;
    this.owner = owner;
  }

  get endpoint(): Endpoint {
    return this.target;
  }

  /** Made when it is asked for: a connector that answers at once needs none. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.abortedWith) this.controller.abort(this.abortedWith);
    }
    return this.controller.signal;
  }

  onAbort(handler: ((reason: ProxyError) => void) | undefined): void {
    this.abortHandler = handler;
    if (this.abortedWith) handler?.(this.abortedWith);
  }

  report(ok: boolean): void {
    if (this.released) return;
    this.verdict = ok;
    this.owner.outcome(this.target, ok);
  }

  /** Tells the connector to give up. */
  abort(error: ProxyError): void {
    this.abortedWith = error;
    this.controller?.abort(error);
    this.abortHandler?.(error);
  }

  answered(status: number): void {
    this.httpStatus = status;
  }

  release(error?: ProxyError): void {
    if (this.released) return;
    this.released = true;
    this.owner.released(this, error, this.verdict);
  }
}
