/**
 * How long requests of HTTP took, by the labels of OpenTelemetry's semantic conventions for HTTP metrics
 * (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/): bounded whatever comes.
 */
import type { Attributes } from '@opentelemetry/api';
import { Histogram } from '../../common/histogram.ts';
import type { Durations } from '../../common/telemetry/durations.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';
import { METHODS, OTHER_METHOD } from './http-method.ts';

/** Upper bounds of the buckets, in ms: those of the conventions. */
export const REQUEST_BOUNDS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

/** Sets of labels that are told apart; further ones are counted together. */
const MAX_SERIES = 100;

const METHOD_LABELS = [...METHODS, OTHER_METHOD];
const METHOD_AT = new Map<unknown, number>(METHODS.map((method, at) => [method, at]));
/** A rule can write any: what is neither of the first two has no label. */
const SCHEMES = ['http', 'https', undefined];

/** Of one listener or cluster. */
export class RequestDurations {
  /** By what they failed with, then by method, scheme and status as one number. */
  private readonly series = new Map<string | undefined, Map<number, Histogram>>();
  private size = 0;
  private overflow: Histogram | undefined;

  /**
   * Adds a request that is over. `elapsed` in ms; `status`: of its answer, 0 where there was none; `failure`: the status or code that
   * it failed with, where it did; `span` where it is recorded.
   */
  add(elapsed: number, method: unknown, scheme: unknown, status: number, failure?: string, span?: SpanIds): void {
    const methodAt = METHOD_AT.get(method) ?? METHODS.length;
    const schemeAt = scheme === 'http' ? 0 : scheme === 'https' ? 1 : 2;
    const key = (methodAt * SCHEMES.length + schemeAt) * 1000 + status;
    const histogram = this.series.get(failure)?.get(key) ?? this.make(key, failure);
    histogram.add(elapsed, span);
  }

  /** With these labels beside those of each. */
  *all(subject: Attributes): Iterable<Durations> {
    for (const [failure, byKey] of this.series) {
      for (const [key, counted] of byKey) yield { attributes: { ...labelsOf(key, failure), ...subject }, counted };
    }
    if (this.overflow) yield { attributes: { 'otel.metric.overflow': true, ...subject }, counted: this.overflow };
  }

  private make(key: number, failure: string | undefined): Histogram {
    if (this.size >= MAX_SERIES) return (this.overflow ??= new Histogram(REQUEST_BOUNDS));
    this.size++;
    const histogram = new Histogram(REQUEST_BOUNDS);
    const byKey = this.series.get(failure);
    if (byKey) byKey.set(key, histogram);
    else this.series.set(failure, new Map([[key, histogram]]));
    return histogram;
  }
}

function labelsOf(key: number, failure: string | undefined): Attributes {
  const status = key % 1000;
  const rest = Math.floor(key / 1000);
  const scheme = SCHEMES[rest % SCHEMES.length];
  return {
    'http.request.method': METHOD_LABELS[Math.floor(rest / SCHEMES.length)] ?? OTHER_METHOD,
    ...(status !== 0 && { 'http.response.status_code': status }),
    ...(scheme !== undefined && { 'url.scheme': scheme }),
    ...(failure !== undefined && { 'error.type': failure }),
  };
}
