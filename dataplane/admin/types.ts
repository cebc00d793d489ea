/** What the REST API needs of the proxy: main.ts gives it. */
import type { Admin, Cluster, Tap } from '../../gen/l7mp/config/v1/types.ts';
import type { Plain } from '../../common/address.ts';
import type { Logger } from '../../common/log.ts';
import type { MetricsPage } from '../../common/telemetry/metrics-format.ts';
import type { SessionFault, TrafficReport } from '../../gen/messages.ts';
import type { Parsed } from '../../config/parse.ts';
import type { Refusal } from '../../config/reloads.ts';
import type { ConfigObjects, ConfigSink, ConfigSnapshot, Kind } from '../../config/snapshot.ts';
import type { ControlPlaneState } from '../core/control-plane.ts';
import type { OffloadStatus } from '../core/offload.ts';
import type { Fault } from '../../common/errors.ts';
import type { Serving } from '../core/serving.ts';
import type { SessionView } from '../core/session.ts';
import type { TapView, Watcher } from '../core/tap.ts';
import type { TrafficTotals } from './traffic-window.ts';

/** A value, or what is wrong with it. */
export interface Checked<T> {
  readonly value?: T | undefined;
  readonly faults: readonly Fault[];
}

/** The state of an endpoint. */
export interface EndpointState {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly health: string;
  readonly sessions: number;
  readonly totalSessions: number;
  readonly totalFailures: number;
}

/** Shows what sessions carry, as lines of JSON. */
export interface TapService {
  /** @throws ProxyError where there are enough of them, or it is to last too long */
  start(tap: Tap, watcher: Watcher): AsyncIterableIterator<string>;
  list(): readonly TapView[];
  /** False where there is none of the number. */
  stop(id: number, reason: string): boolean;
  /** Notes that somebody has no right to it. */
  refused(watcher: Watcher, reason: string): void;
}

export interface AdminDependencies {
  /** The settings that the process was started with. */
  readonly admin: Admin;
  /** Changes, and requests that are refused, are lines in it. */
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly sink: ConfigSink;
  readonly sessions: { list(): Iterable<SessionView>; get(name: string): SessionView | undefined };
  /** Endpoints of a cluster as they are now: several of one name where a DNS name has several addresses. */
  readonly endpoints: (cluster: string) => readonly EndpointState[];
  /** Where a listener listens, as in `127.0.0.1:5000`. */
  readonly addressOf: (listener: string) => string | undefined;
  /** Datagrams of a listener that the kernel dropped; undefined where there can't be any. */
  readonly overflowOf: (listener: string) => number | undefined;
  /** A spec without its defaults. */
  readonly compactSpec: (message: 'ListenerSpec' | 'ClusterSpec', spec: object) => Plain;
  /** JSON schemas of the configuration's messages by name; `refer` says where that of a message will be. */
  readonly jsonSchemas: (refer: (message: string) => string) => Readonly<Record<string, Plain>>;
  /** A configuration as its file would hold it. */
  readonly plain: (snapshot: ConfigSnapshot) => Plain;
  /** A cluster as its file would hold it. */
  readonly plainCluster: (cluster: Cluster) => Plain;
  readonly setLogLevel: (level: Admin['log_level']) => void;
  readonly metrics: MetricsPage;
  /** Decodes a whole configuration; `lenient` passes over unknown fields. */
  readonly decodeConfig: (raw: unknown, lenient: boolean) => Checked<ConfigSnapshot>;
  /** Decodes one object with what is written in it, beside the objects of the sink's snapshot. */
  readonly decodeObject: (
    kind: Kind,
    raw: unknown,
    lenient: boolean,
  ) => Checked<{ readonly name: string; readonly objects: ConfigObjects }>;
  /** YAML to plain JSON, and where in it things stand. @throws FaultsError */
  readonly parse: (text: string) => Promise<Parsed>;
  /**
   * Makes what a configuration needs, and throws it away. Gives what is no fault, and will hardly do what was meant.
   *
   * @throws FaultsError
   */
  readonly check: (config: ConfigSnapshot) => Promise<readonly Fault[]>;
  /** What all sessions have moved: those that ended, plus those that live. */
  readonly totals: () => TrafficTotals;
  /** What sessions do, by piece of the topology. */
  readonly traffic: () => TrafficReport;
  /** The last sessions that failed, the newest last. */
  readonly faults: () => readonly SessionFault[];
  /** Why the configuration file was not taken when it was read last; undefined where it was. */
  readonly refusal: () => Refusal | undefined;
  /** Aborts when the proxy takes no new sessions any more. */
  readonly stopping: AbortSignal;
  /** Whether the first configuration is live and the proxy isn't stopping. */
  readonly ready: () => boolean;
  /** How an object fares; undefined where there is none. */
  readonly servingOf: (kind: Kind, name: string) => Serving | undefined;
  /** Undefined where nobody asks for kernel offload. */
  readonly offload: () => OffloadStatus | undefined;
  /** Decodes what is asked for of a tap. */
  readonly decodeTap: (raw: unknown, lenient: boolean) => Checked<Tap>;
  readonly taps: TapService;
  /** Undefined where there is no control plane. */
  readonly controlPlane: () => ControlPlaneState | undefined;
}
