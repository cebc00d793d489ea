/** Where metrics come from: main.ts gives it. Types only. */
import type { ControlPlaneState } from '../core/control-plane.ts';
import type { Durations } from '../../common/telemetry/durations.ts';
import type { OffloadStatus } from '../core/offload.ts';
import type { RequestDurations } from '../core/request-durations.ts';
import type { Serving } from '../core/serving.ts';
import type { TapSums } from '../core/tap.ts';
import type { Reloads } from '../../config/reloads.ts';
import type { Totals } from './totals.ts';

/** One listener, as metrics see it. */
export interface ListenerMetrics {
  readonly name: string;
  readonly state: Serving['state'];
  /** Datagrams that the kernel dropped since the receive buffer was full; undefined where there can't be any. */
  readonly overflow: number | undefined;
  /** When the first certificate that it shows ends, in ms since the epoch; undefined where it shows none. */
  readonly certificateExpiry?: number | undefined;
}

/** One cluster, as metrics see it. */
export interface ClusterMetrics {
  readonly name: string;
  readonly endpoints: readonly { readonly name: string; readonly health: string }[];
  /** Datagrams that the kernel dropped since receive buffers were full; undefined where there can't be any. */
  readonly overflow?: number | undefined;
  /** Failed connects and broken sessions, by reason. */
  readonly failures: ReadonlyMap<string, number>;
  /** How long connects took. */
  readonly connectLatency: Durations['counted'];
  /** How long requests of HTTP took, each attempt for itself. */
  readonly requests: Pick<RequestDurations, 'all'>;
}

/** Asked anew for each page. */
export interface MetricsSource {
  totals(): Totals;
  listeners(): Iterable<ListenerMetrics>;
  clusters(): Iterable<ClusterMetrics>;
  /** Of sessions that have ended. */
  sessionDurations(): Iterable<Durations>;
  /** How long requests of HTTP took, by listener. */
  requestDurations(): Iterable<Durations>;
  /** Undefined where there is none. */
  controlPlane(): ControlPlaneState | undefined;
  /** Undefined where nobody asks for kernel offload. */
  offload(): OffloadStatus | undefined;
  taps(): TapSums;
  /** Undefined where there is no configuration file. */
  reloads(): Reloads | undefined;
  /** Lines of the access log that were lost; undefined where none is written to a file. */
  accessLogLost(): number | undefined;
  /** Lines of the log of the process that were lost. */
  logLost(): number;
}
