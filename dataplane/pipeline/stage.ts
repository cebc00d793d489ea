/** One cluster on a session's way: connects, and connects again as the route's retry says. */
import type { Cluster, Retry } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, Opened, Opening, OpenRequest } from '../core/cluster.ts';
import { discard } from '../core/discard.ts';
import { ProxyError } from '../../common/errors.ts';
import type { TraceContext } from '../../common/telemetry/trace-context.ts';
import type { Flow } from '../core/offload.ts';
import type { Metadata, StageView } from '../core/session.ts';
import type { AttemptSpan } from '../core/trace.ts';
import { statusOf } from '../core/status.ts';
import type { EndReason, Signal, Sink, Stream } from '../core/stream.ts';
import { framed } from './framing.ts';
import type { Link } from './link.ts';
import type { TokenPlace } from './persistence.ts';

/** The first pause after an answer that is no good, in ms. */
const ANSWER_BACKOFF = 25;

/** What a stage needs of its session. */
export interface StageOwner {
  readonly name: string;
  readonly metadata: Metadata;
  readonly retry: Retry;
  readonly connectTimeout: number;
  /** The most time for an answer, in ms; 0 is no limit. */
  readonly attemptTimeout: number;
  /** The session goes on from before: its first connection is this one. */
  readonly resumedFlow: Flow | undefined;
  cluster(name: string): ClusterHandle | undefined;
  /** See `OpenRequest.preferred`. */
  preferred(stage: Stage): string | undefined;
  /** A span for an attempt, where the session is recorded. */
  spanOf(cluster: string): AttemptSpan | undefined;
  /** What the endpoint of an attempt is told of the trace. */
  traceFor(attempt: AttemptSpan | undefined): TraceContext | undefined;
  /** Whether the payload may be changed, on its way, elsewhere than in this stage. */
  alters(stage: Stage): boolean;
  /** It is connected, for the first time or again. */
  stageReady(stage: Stage): void;
  /** It broke, and is being connected again. */
  stageRetrying(stage: Stage, error: ProxyError): void;
  /** It broke for good, or could not be connected. */
  stageFailed(stage: Stage, error: ProxyError): void;
  /** Its stream is gone after it had ended; with an error where that was not in order (a child's exit status). */
  stageClosed(stage: Stage, error?: ProxyError): void;
  /** The session is ending: nothing is connected again. */
  readonly over: boolean;
}

/**
 * ```
 *   INIT ──connect──▶ READY ──closed──▶ FINALIZED
 *    │ ▲                │
 *    └─┴── RETRYING ◀───┘ (retry_on, num_retries; another endpoint at once, the same ones again after `timeout`)
 * ```
 */
export class Stage {
  readonly cluster: string;
  /** What it reads goes here. */
  readonly output: Link;
  /** What it writes comes from here. */
  readonly input: Link;
  status: StageView['status'] = 'INIT';
  stream: Stream | undefined;
  private readonly owner: StageOwner;
  private opened: Opened | undefined;
  private opening: Opening | undefined;
  /** Of the attempt under way, or the connection that came of it. */
  private span: AttemptSpan | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Ends an attempt whose answer takes too long. */
  private limit: NodeJS.Timeout | undefined;
  /** The payload may be changed somewhere on its way: lengths that were announced say nothing. */
  private altered = false;
  private attempts = 0;
  /** Its first request was begun, and kept to be made again. */
  private keeps = false;
  /** It was connected, and isn't now. */
  private lost = false;
  /** Retries since the stage last worked. */
  private retries = 0;
  private readyAt = 0;
  /** Endpoints of the attempts since the stage last worked, until all have been tried; only where it may retry. */
  private tried: Set<string> | undefined;
  /** How many those were before the last attempt. */
  private triedBefore = 0;

  constructor(owner: StageOwner, cluster: string, input: Link, output: Link) {
    this.owner = owner;
    this.cluster = cluster;
    this.input = input;
    this.output = output;
  }

  get view(): StageView {
    const { cluster, opened, status, attempts } = this;
    return { origin: cluster, endpoint: opened?.endpoint, status, attempts };
  }

  /** The endpoint that it is connected to; undefined: it isn't. */
  get place(): TokenPlace | undefined {
    return this.opened && { cluster: this.cluster, endpoint: this.opened.endpoint.hashKey };
  }

  connect(): void {
    const { owner } = this;
    this.attempts++;
    const handle = owner.cluster(this.cluster);
    this.span = owner.spanOf(this.cluster);
    if (handle === undefined) {
      this.failed(new ProxyError('UNKNOWN_CLUSTER', `cluster ${this.cluster} does not exist`));
      return;
    }
    this.altered = handle.config.framing !== 'none' || owner.alters(this);
    const request: OpenRequest = {
      session: owner.name,
      metadata: owner.metadata,
      timeout: handle.config.connect_timeout || owner.connectTimeout,
      retry: this.retries > 0,
      altered: this.altered,
      flow: this.attempts === 1 ? owner.resumedFlow : undefined,
      preferred: owner.preferred(this),
      tried: this.mayRetry ? (this.tried ??= new Set()) : undefined,
      trace: owner.traceFor(this.span),
      span: this.span,
    };
    this.triedBefore = this.tried?.size ?? 0;
    let result: Opening | Opened;
    try {
      result = handle.open(request);
    } catch (error) {
      this.failed(ProxyError.from(error, 'CONNECT_FAILED'));
      return;
    }
    if ('stream' in result) {
      this.connected(result, handle.config);
      return;
    }
    this.opening = result;
    result.opened.then(
      (opened) => {
        this.opening = undefined;
        if (this.status === 'FINALIZED') {
          discard(opened.stream);
          opened.release();
        } else this.connected(opened, handle.config);
      },
      (error: unknown) => {
        this.opening = undefined;
        if (this.status !== 'FINALIZED') this.failed(ProxyError.from(error, 'CONNECT_FAILED'));
      },
    );
  }

  private connected(opened: Opened, config: Cluster): void {
    const stream = framed(opened.stream, config.framing);
    this.opened = opened;
    this.stream = stream;
    this.status = 'READY';
    this.lost = false;
    this.readyAt = performance.now();
    this.span?.connected(stream);
    this.output.setReader(stream);
    if (stream.responds === true) this.awaitAnswer(stream);
    this.owner.stageReady(this);
    stream.open(new StageSink(this, stream));
    this.input.setWriter(stream);
  }

  /** An attempt begins, which ends with an answer. */
  private awaitAnswer(stream: Stream): void {
    const { attemptTimeout, retry } = this.owner;
    if (retry.statuses.length > 0 && !this.keeps) {
      this.keeps = true;
      this.input.keep(retry.max_body_bytes);
    }
    if (attemptTimeout === 0) return;
    this.limit = setTimeout(() => {
      const error = new ProxyError(
        'RESPONSE_TIMEOUT',
        `${this.cluster} took longer than ${attemptTimeout} ms to answer`,
      );
      if (this.wantsRepeat(statusOf(error))) this.repeat(error);
      else stream.destroy(error);
    }, attemptTimeout);
  }

  /** Its connection goes on with another stream, while nothing waits. */
  exchange(stream: Stream): void {
    this.stream = stream;
    this.output.setReader(stream);
    stream.open(new StageSink(this, stream));
    this.input.setWriter(stream);
  }

  /** Its stream told of what goes beside the payload. */
  signalled(signal: Signal): void {
    if (signal.type === 'response') {
      this.opened?.answered(signal.status);
      this.span?.answered(signal.status, signal.headers);
      if (this.isRepeated(signal)) return;
    } else this.span?.trailers(signal.headers);
    const isOff = signal.type === 'response' && (this.altered || this.stream?.altered === true);
    this.output.signal(isOff ? { ...signal, altered: true } : signal);
  }

  /** The head of an answer: whether the request is made again because of it. */
  private isRepeated({ status, tunnel }: Extract<Signal, { type: 'response' }>): boolean {
    if (status < 200 && tunnel !== true) return false;
    if (this.wantsRepeat(status)) {
      this.repeat(new ProxyError('RESPONDED', `${this.cluster} answered ${status}`));
      return true;
    }
    this.input.forget();
    if (tunnel === true) clearTimeout(this.limit); // it is an answer, and lasts
    return false;
  }

  private wantsRepeat(status: number): boolean {
    const { statuses, num_retries } = this.owner.retry;
    return statuses.includes(status) && this.input.isKept && this.retries < num_retries && !this.owner.over;
  }

  /** The request is made again, from its start. */
  private repeat(error: ProxyError): void {
    const { stream } = this;
    this.input.repeat();
    this.lose();
    this.lost = false; // nothing of it has gone on
    stream?.destroy();
    this.retry(error, false);
  }

  /** Its stream told of an end that may have been asked for, or not. */
  ended(reason?: EndReason): void {
    clearTimeout(this.limit);
    this.forgive();
    // An end that nobody asked for breaks the stage, where the route wants it connected again.
    if (!this.input.ended && this.wantsRetry('disconnect') && this.stream?.retriable !== false) {
      const { stream } = this;
      this.broken(new ProxyError('PEER_CLOSED', `${this.cluster} ended the stream`));
      stream?.destroy();
      return;
    }
    this.output.finish(reason);
  }

  /** Its stream is gone. */
  closed(error?: ProxyError): void {
    if (this.output.ended) {
      this.finalize(error);
      this.owner.stageClosed(this, error);
      return;
    }
    const reason = error ?? new ProxyError('PEER_CLOSED', `${this.cluster} closed the stream`);
    // One that was silent for that long has not worked.
    if (reason.code !== 'RESPONSE_TIMEOUT') this.forgive();
    if (this.stream?.retriable !== false && this.wantsRetry('disconnect')) {
      this.broken(reason);
    } else {
      this.finalize(reason);
      this.owner.stageFailed(this, reason);
    }
  }

  /** A connected stage is to be connected again. */
  private broken(error: ProxyError): void {
    this.input.setWriter(undefined);
    this.lose(error);
    // A stage that breaks as soon as it is connected is not connected again at once, for ever.
    this.retry(error, this.worked);
  }

  /** It has no stream any more; with the error where that was the endpoint's fault. */
  private lose(error?: ProxyError): void {
    clearTimeout(this.limit);
    this.stream = undefined;
    this.lost = true;
    this.opened?.release(error);
    this.opened = undefined;
    this.endSpan(error);
  }

  private endSpan(error?: ProxyError): void {
    this.span?.end(error);
    this.span = undefined;
  }

  /** It was connected for longer than one waits between two attempts. */
  private get worked(): boolean {
    return performance.now() - this.readyAt >= this.owner.retry.timeout;
  }

  /** What worked may be connected again as often as at first. */
  private forgive(): void {
    if (!this.worked) return;
    this.retries = 0;
    this.triedBefore = 0;
    this.tried?.clear();
    if (this.opened) this.tried?.add(this.opened.endpoint.name);
  }

  private failed(error: ProxyError): void {
    this.endSpan(error);
    if (this.wantsRetry(this.lost ? 'disconnect' : 'connect-failure')) this.retry(error, false);
    else {
      this.status = 'FINALIZED';
      this.owner.stageFailed(this, error);
    }
  }

  private wantsRetry(event: 'connect-failure' | 'disconnect'): boolean {
    const { retry_on, num_retries } = this.owner.retry;
    return (retry_on === 'always' || retry_on === event) && this.retries < num_retries && !this.owner.over;
  }

  private get mayRetry(): boolean {
    const { retry_on, statuses } = this.owner.retry;
    return retry_on !== 'never' || statuses.length > 0;
  }

  private retry(error: ProxyError, worked: boolean): void {
    this.status = 'RETRYING';
    this.retries++;
    const pause = this.pauseBefore(error, worked);
    this.owner.stageRetrying(this, error);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.connect();
    }, pause);
  }

  /** Another endpoint is tried at once; the same ones are tried again after a pause, unless they worked. */
  private pauseBefore({ code }: ProxyError, worked: boolean): number {
    const { timeout, backoff = code === 'RESPONDED' ? ANSWER_BACKOFF : undefined } = this.owner.retry;
    const goesElsewhere = this.goesElsewhere();
    if (backoff === undefined) return goesElsewhere || worked ? 0 : timeout;
    return Math.min(backoff * 2 ** (this.retries - 1), backoff * 10) * (1 + Math.random() / 4);
  }

  /** Whether the last attempt tried an endpoint and there is one more. When all are tried, the next may be any. */
  private goesElsewhere(): boolean {
    const { tried } = this;
    if (tried === undefined) return false;
    const hasOther = this.owner.cluster(this.cluster)?.hasOther(tried) === true;
    const goes = hasOther && tried.size > this.triedBefore;
    if (!hasOther) tried.clear();
    return goes;
  }

  /** Ends it at once; nothing is told to the session. */
  destroy(error: ProxyError | undefined, reset: boolean): void {
    const { stream } = this;
    if (this.status === 'FINALIZED') return;
    this.opening?.abort(error ?? new ProxyError('DELETED', `session ${this.owner.name} has ended`));
    this.finalize();
    stream?.destroy(reset ? error : undefined);
  }

  /** Its stream has ended elsewhere, and isn't its own any more; nothing is told to the session. */
  letGo(): void {
    if (this.status !== 'FINALIZED') this.finalize();
  }

  /** `fault`: what its own stream failed with. How its session ended otherwise says nothing about the endpoint. */
  private finalize(fault?: ProxyError): void {
    this.status = 'FINALIZED';
    clearTimeout(this.timer);
    clearTimeout(this.limit);
    this.opened?.release(fault);
    this.endSpan(fault);
  }
}

/** Hears one connection of a stage; what an earlier one still says is not heard. */
class StageSink implements Sink {
  private readonly stage: Stage;
  private readonly stream: Stream;

  constructor(stage: Stage, stream: Stream) {
    this.stage = stage;
    this.stream = stream;
  }

  data(chunk: Buffer, text: boolean): void {
    if (this.stage.stream === this.stream) this.stage.output.push(chunk, text);
  }

  signal(signal: Signal): void {
    if (this.stage.stream === this.stream) this.stage.signalled(signal);
  }

  drain(): void {
    if (this.stage.stream === this.stream) this.stage.input.drain();
  }

  end(reason?: EndReason): void {
    if (this.stage.stream === this.stream) this.stage.ended(reason);
  }

  close(error?: ProxyError): void {
    if (this.stage.stream === this.stream && this.stage.status === 'READY') this.stage.closed(error);
  }
}
