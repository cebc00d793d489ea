/** Whether what begins is recorded: before anything is made for it. */
import { type Context, ROOT_CONTEXT } from '@opentelemetry/api';
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import type { SamplerSettings } from './otel-settings.ts';
import { contextOf } from './span-context.ts';
import type { SpanIdSource } from './span-ids.ts';
import { parseTraceparent, type SpanIds, type TraceContext } from './trace-context.ts';

/** What was decided. */
export interface Sampled {
  readonly parent: SpanIds | undefined;
  readonly traceId: string;
  readonly sampled: boolean;
}

export type Decide = (came: TraceContext | undefined, settings?: SamplerSettings) => Sampled;

/** A trace that begins here has its identifier from `ids`. Its share is of identifiers: all who ask decide the same. */
export function createSampling(settings: SamplerSettings, ids: SpanIdSource): Decide {
  const samplers = new Map<number, TraceIdRatioBasedSampler>();
  const isInShare = (traceId: string, ratio: number): boolean => {
    let sampler = samplers.get(ratio);
    if (sampler === undefined) samplers.set(ratio, (sampler = new TraceIdRatioBasedSampler(ratio)));
    return sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
  return (came, { parentBased, ratio } = settings) => {
    const parent = came && parseTraceparent(came.traceparent);
    const traceId = parent?.traceId ?? ids.newTraceId();
    return { parent, traceId, sampled: parent && parentBased ? parent.sampled : isInShare(traceId, ratio) };
  };
}

/** Where a span begins of which it was decided that it is recorded. Its tracer is asked next. */
export function beginIn({ parent, traceId }: Sampled, came: TraceContext | undefined, ids: SpanIdSource): Context {
  if (parent) return contextOf(parent, { isRemote: true, tracestate: came?.tracestate ?? '' });
  ids.next = traceId;
  return ROOT_CONTEXT;
}
