/** Whether what begins is recorded: before anything is made for it. */
import { type Context, ROOT_CONTEXT } from '@opentelemetry/api';
import { TokenBucket } from '../token-bucket.ts';
import type { SamplerSettings } from './otel-settings.ts';
import { contextOf } from './span-context.ts';
import { DrawnIds, shareOf, type SpanIdSource } from './span-ids.ts';
import { parseTraceparent, type SpanIds, type TraceContext } from './trace-context.ts';

/** What was decided. */
export interface Sampled {
  readonly parent: SpanIds | undefined;
  /** Of the parent, or of a trace that begins here: as those are told that come next, where it isn't recorded. */
  readonly ids: SpanIds;
  readonly sampled: boolean;
}

export type Decide = (came: TraceContext | undefined, settings?: SamplerSettings) => Sampled;

/** `now`: a clock in ms, for what is bounded a second. */
export function createSampling(settings: SamplerSettings, now = (): number => performance.now()): Decide {
  const bucket = settings.perSecond === undefined ? undefined : new TokenBucket(settings.perSecond, now);
  return (came, { parentBased, ratio, perSecond } = settings) => {
    const parent = came && parseTraceparent(came.traceparent);
    if (parent === undefined) {
      const ids = new DrawnIds();
      return {
        parent,
        ids,
        sampled: isInShare(ids.share, ratio) && (perSecond === undefined || bucket?.take() === true),
      };
    }
    const sampled = parentBased ? parent.sampled : isInShare(shareOf(parent.traceId), ratio);
    return { parent, ids: parent.sampled && !sampled ? { ...parent, sampled } : parent, sampled };
  };
}

/** As OpenTelemetry's `TraceIdRatioBasedSampler` for JavaScript has it: those of its users decide the same of a trace. */
function isInShare(share: number, ratio: number): boolean {
  return ratio >= 1 || share < Math.floor(ratio * 0xffff_ffff);
}

/** Where a span begins of which it was decided that it is recorded. Its tracer, which has `source`, is asked next. */
export function beginIn({ parent, ids }: Sampled, came: TraceContext | undefined, source: SpanIdSource): Context {
  if (parent) return contextOf(parent, { isRemote: true, tracestate: came?.tracestate ?? '' });
  source.next = ids.traceId;
  return ROOT_CONTEXT;
}
