/**
 * Changes of the configuration as traces. Loaded where traces are exported.
 *
 *     change ─┬─ translate
 *             └─ push ─┬─ ack     a span for each of the first proxies that answer, and for each that refuses
 *                      └─ nack    (up to a limit); all are counted
 *
 * Changes that went out together share the push of the first of them, which has links to the others.
 */
import { type Context, type Span, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { type Decide, beginIn } from '../../common/telemetry/sampling.ts';
import type { SpanIdSource } from '../../common/telemetry/span-ids.ts';
import type { TraceContext } from '../../common/telemetry/trace-context.ts';
import type { ChangeFacts, ChangeTrace, ChangeTracing, PushedTranslation, PushTrace } from '../core/change-trace.ts';
import { AnswerTrace, PendingAnswers } from './answer-trace.ts';

/** Versions whose call was told of, and which have not come to be seen. */
const MAX_EXPECTED = 64;
/** Changes that wait for their push at most; more are not recorded. */
const MAX_WAITING = 256;
/** Names in attributes. */
const MAX_NAMES = 20;

interface Waiting {
  readonly span: Span;
  readonly context: Context;
  readonly ids: ReadonlySet<string>;
}

export function createChangeTracing(tracer: Tracer, decide: Decide, ids: SpanIdSource): ChangeTracing {
  const expected = new Map<number, TraceContext>();
  const waiting = new Set<Waiting>();
  const answers = new PendingAnswers();

  function begin(facts: ChangeFacts): ChangeTrace | undefined {
    const { version } = facts;
    const came = version === undefined ? undefined : expected.get(version);
    if (version !== undefined) expected.delete(version);
    const decided = decide(came);
    if (!decided.sampled || waiting.size >= MAX_WAITING) return undefined;
    const parent = beginIn(decided, came, ids);
    const span = tracer.startSpan('change', { attributes: attributesOf(facts) }, parent);
    const context = trace.setSpan(parent, span);
    const translating = tracer.startSpan('translate', {}, context);
    return {
      translated: ({ upsert, remove }) => {
        translating.setAttributes({ 'l7mp.inputs.changed': upsert.length, 'l7mp.inputs.removed': remove.length });
        translating.end();
        const changed = new Set([...upsert.map(({ id }) => id), ...remove]);
        if (changed.size === 0) span.end();
        else waiting.add({ span, context, ids: changed });
      },
      failed: (error) => {
        for (const each of [translating, span]) endWith(each, error);
      },
      dropped: () => {
        for (const each of [translating, span]) each.end();
      },
    };
  }

  function push(translation: PushedTranslation): PushTrace | undefined {
    const given = new Set([...translation.upsert.map(({ id }) => id), ...translation.remove]);
    const changes = [...waiting].filter(({ ids: changed }) => [...changed].some((id) => given.has(id)));
    const [first, ...others] = changes;
    if (first === undefined) return undefined;
    for (const change of changes) waiting.delete(change);
    const links = others.map(({ span }) => ({ context: span.spanContext() }));
    const attributes = { 'l7mp.changes': changes.length };
    const span = tracer.startSpan('push', { kind: SpanKind.PRODUCER, attributes, links }, first.context);
    return {
      applied: (proxies) => {
        const answer = new AnswerTrace(tracer, span, trace.setSpan(first.context, span), proxies, (end) => {
          for (const change of changes) change.span.end(end);
        });
        answers.add(translation, answer);
      },
      failed: (error) => {
        endWith(span, error);
        for (const change of changes) waiting.add(change);
      },
    };
  }

  return {
    expect: (version, context) => {
      expected.set(version, context);
      const [oldest] = expected.keys();
      if (expected.size > MAX_EXPECTED && oldest !== undefined) expected.delete(oldest);
    },
    begin,
    push,
    observe: (event) => answers.observe(event),
    close: () => {
      answers.close();
      for (const { span } of waiting) span.end();
      waiting.clear();
    },
  };
}

function attributesOf({ sources, objects, revision, version }: ChangeFacts) {
  return {
    'l7mp.sources': sources.slice(0, MAX_NAMES),
    'l7mp.objects': [...objects].slice(0, MAX_NAMES),
    'l7mp.objects.changed': objects.size,
    'l7mp.revision': revision,
    ...(version !== undefined && { 'l7mp.version': version }),
  };
}

function endWith(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  span.end();
}
