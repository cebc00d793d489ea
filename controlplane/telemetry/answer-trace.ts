/** What proxies answer to pushes that are recorded: matched by the versions that they name, and bounded whatever comes. */
import { type Context, type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { idsOf } from '../../common/telemetry/span-context.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';
import type { PushedTranslation } from '../core/change-trace.ts';
import type { NodeEvent } from '../core/resource.ts';

type Answer = Extract<NodeEvent, { type: 'ack' | 'nack' }>;

/** The most time that answers to a push are awaited, in ms; */
const LONGEST_MS = 10_000;
/** and, once every proxy has answered, the time in which no other type's answer comes. */
const QUIET_MS = 500;
/** Answers that have spans of their own: of proxies that took it, and of those that refused. */
const MAX_SPANS = { ack: 32, nack: 128 };
/** Pushes whose answers are awaited at once; the oldest is ended for a new one. */
const MAX_PUSHES = 32;

/** The answers to one push. */
export class AnswerTrace {
  onOver: () => void = () => undefined;
  private readonly tracer: Tracer;
  private readonly span: Span;
  private readonly context: Context;
  private readonly proxies: number;
  private readonly onEnd: (time: number) => void;
  private readonly pushedAt = Date.now();
  private lastAt = Date.now();
  private readonly answered = new Set<string>();
  private readonly counts = { ack: 0, nack: 0 };
  private timer: NodeJS.Timeout;

  /** `onEnd` is told when the last answer came, in ms since the epoch. */
  constructor(tracer: Tracer, span: Span, context: Context, proxies: number, onEnd: (time: number) => void) {
    this.tracer = tracer;
    this.span = span;
    this.context = context;
    this.proxies = proxies;
    this.onEnd = onEnd;
    span.addEvent('applied');
    this.timer = this.endAfter(proxies === 0 ? QUIET_MS : LONGEST_MS);
  }

  /** Answers with its span; beyond the limit there is none. */
  take({ type, id, typeUrl, elapsedMs, ...more }: Answer): SpanIds | undefined {
    const { counts, answered } = this;
    this.lastAt = Date.now();
    counts[type]++;
    answered.add(id);
    let ids: SpanIds | undefined;
    if (counts[type] <= MAX_SPANS[type]) {
      const startTime = elapsedMs === undefined ? this.pushedAt : this.lastAt - elapsedMs;
      const attributes = { 'l7mp.proxy': id, 'l7mp.type': typeUrl };
      const span = this.tracer.startSpan(type, { kind: SpanKind.CONSUMER, startTime, attributes }, this.context);
      if ('message' in more) span.setStatus({ code: SpanStatusCode.ERROR, message: more.message });
      span.end(this.lastAt);
      ids = idsOf(span);
    }
    if (answered.size >= this.proxies) {
      clearTimeout(this.timer);
      this.timer = this.endAfter(QUIET_MS);
    }
    return ids;
  }

  end(): void {
    const { span, counts, lastAt } = this;
    clearTimeout(this.timer);
    this.onOver();
    span.setAttributes({
      'l7mp.proxies': this.proxies,
      'l7mp.proxies.answered': this.answered.size,
      'l7mp.acks': counts.ack,
      'l7mp.nacks': counts.nack,
    });
    if (counts.nack > 0) span.setStatus({ code: SpanStatusCode.ERROR, message: `${counts.nack} refused` });
    span.end(lastAt);
    this.onEnd(lastAt);
  }

  private endAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.end(), ms).unref();
  }
}

interface Pending {
  /** Undefined: the resource is gone. */
  readonly version: string | undefined;
  readonly answers: AnswerTrace;
}

/** All pushes whose answers are awaited. */
export class PendingAnswers {
  private readonly open = new Set<AnswerTrace>();
  /** By type and name: the last push of each resource. */
  private readonly pending = new Map<string, Map<string, Pending>>();

  add({ upsert }: PushedTranslation, answers: AnswerTrace): void {
    const [oldest] = this.open;
    if (this.open.size >= MAX_PUSHES) oldest?.end();
    this.open.add(answers);
    answers.onOver = () => this.drop(answers);
    for (const { resources } of upsert) {
      for (const { typeUrl, name, version } of resources) {
        let names = this.pending.get(typeUrl);
        if (names === undefined) this.pending.set(typeUrl, (names = new Map<string, Pending>()));
        names.set(name, { version, answers });
      }
    }
  }

  /** Once for each push that an answer is about: answers with a span of the last. */
  observe(event: NodeEvent): SpanIds | undefined {
    if (this.open.size === 0 || (event.type !== 'ack' && event.type !== 'nack')) return undefined;
    const names = this.pending.get(event.typeUrl);
    if (names === undefined) return undefined;
    const told = new Set<AnswerTrace>();
    const [few, many] = names.size < event.versions.size ? [names, event.versions] : [event.versions, names];
    for (const name of few.keys()) {
      if (!many.has(name)) continue;
      const pending = names.get(name);
      if (pending && pending.version === event.versions.get(name)) told.add(pending.answers);
    }
    let ids: SpanIds | undefined;
    for (const answers of told) ids = answers.take(event) ?? ids;
    return ids;
  }

  close(): void {
    for (const answers of [...this.open]) answers.end();
  }

  private drop(answers: AnswerTrace): void {
    this.open.delete(answers);
    for (const [typeUrl, names] of this.pending) {
      for (const [name, pending] of names) if (pending.answers === answers) names.delete(name);
      if (names.size === 0) this.pending.delete(typeUrl);
    }
  }
}
