/** What the xDS client is told, and what it needs of the proxy: main.ts gives it. Types only. */
import type { ClusterLoadAssignment, Secret } from '../../gen/l7mp/config/v1/types.ts';
import type { ConfigObjects, ConfigSink, Kind } from '../../config/snapshot.ts';
import type { Fault } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Serving } from '../core/serving.ts';
import type { LiveSource } from './live-reports.ts';

/** The kinds of resources. */
export type ResourceKind = Kind | 'ClusterLoadAssignment' | 'Secret';

/** Where the control plane is, and who asks. */
export interface ControlPlaneOptions {
  /** `HOST:PORT` each. One is used at a time: the next one when it fails. */
  readonly servers: readonly string[];
  /** The proxy's identity. */
  readonly id: string;
  /** What the control plane's selectors match on. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * What is asked for: `all`, or `endpoints`: only the load assignments and secrets that the proxy's own configuration
   * names.
   */
  readonly resources: 'all' | 'endpoints';
  /** Connect without TLS. */
  readonly plaintext: boolean;
  /** PEM files; read anew for each connection. The system's authorities where `ca` is absent. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** A file with a bearer token; read anew for each connection. */
  readonly tokenFile?: string | undefined;
  /** Where the last good configuration is kept; nowhere when absent. */
  readonly stateDir?: string | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** In ms. */
export interface Timing {
  /** The longest delay before the first reconnect, and the longest of all. Default: 500 and 30000. */
  readonly backoffBase: number;
  readonly backoffCap: number;
  /** How long connecting may take. Default: 10000. */
  readonly connect: number;
  /** How often a connection is probed, and how long the answer may take. Default: 30000 and 5000. */
  readonly keepalive: number;
  readonly keepaliveTimeout: number;
  /** How long changes are collected. Default: 5. */
  readonly coalesce: number;
  /** How long until changes are on disk. Default: 1000. */
  readonly save: number;
  /** How long the end waits for what is not on disk yet: a file system may never answer. Default: 5000. */
  readonly lastSave: number;
  /** How long readiness waits for names that nobody answers, once the rest is complete. Default: 15000. */
  readonly firstAnswers: number;
}

/** What a resource is, decoded. */
export type Content =
  { readonly objects: ConfigObjects } | { readonly assignment: ClusterLoadAssignment } | { readonly secret: Secret };

/** A message that was read, not checked yet. */
export interface ReadResource {
  /** Undefined where it has none. */
  readonly name: string | undefined;
  /** Its content, checked as what a file holds, beside `existing` objects; or what is wrong with it. */
  readonly check: (existing: ConfigObjects) => {
    readonly content?: Content | undefined;
    readonly faults: readonly Fault[];
  };
}

/** The types of resources, and how they are read. */
export interface ResourceCodec {
  /** In the order in which they are asked for. */
  readonly kinds: readonly ResourceKind[];
  readonly typeUrlOf: (kind: ResourceKind) => string;
  readonly kindOf: (typeUrl: string) => ResourceKind | undefined;
  /** @throws Error where the bytes are no such message. */
  readonly read: (kind: ResourceKind, bytes: Uint8Array) => ReadResource;
}

export interface XdsDependencies {
  readonly sink: ConfigSink;
  readonly codec: ResourceCodec;
  readonly servingOf: (kind: Kind, name: string) => Serving | undefined;
  /** Calls after each change of the configuration or how it fares; gives the function that ends it. */
  readonly watch: (observer: () => void) => () => void;
  /** What is told of sessions where the control plane asks; nothing when absent. */
  readonly live?: LiveSource;
  /** A complete configuration is live, for the first time. */
  readonly onReady?: () => void;
  readonly log: Logger;
}

/** A resource that is held. Immutable. */
export interface Held {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly version: string;
  /** The encoded message, for the disk. */
  readonly value: Buffer;
  readonly content: Content;
}
