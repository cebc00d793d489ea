/** What is counted of the work with Kubernetes, for metrics. Types only. */
import type { Histogram } from '../../common/histogram.ts';

/** Work that is done one after another. */
export interface WorkFigures {
  /** What waits, also for another try. */
  readonly length: number;
  /** Times that it failed. */
  readonly failed: number;
  /** How long each took, whether it failed or not. */
  readonly durations: Histogram;
}

/** A kind of objects that is watched. */
export interface WatchFigures {
  readonly kind: string;
  /** `watching`: what is held is what the API server has. */
  readonly state: string;
  /** Objects that are held. */
  readonly objects: number;
  /** Full lists that were made. */
  readonly lists: number;
  /** Watches that were begun. */
  readonly watches: number;
  /** Lists and watches that failed. */
  readonly errors: number;
}

/** Asked anew for each page. */
export interface KubernetesFigures {
  readonly watches: Iterable<WatchFigures>;
  /** By what the work is about. */
  readonly queues: ReadonlyMap<string, WorkFigures>;
}
