/** Resources as proxies get them, and what proxies say of them. Types only. */
import type { Node } from '../../gen/messages.ts';

/** One resource. The transport doesn't look into its bytes. Immutable: a change makes a new one. */
export interface Resource {
  /** As in `type.googleapis.com/l7mp.config.v1.Listener`. */
  readonly typeUrl: string;
  readonly name: string;
  /** A hash of `value`, so that every replica and every restart agrees. */
  readonly version: string;
  /** The message that the type URL names, encoded. */
  readonly value: Buffer;
  /** How long it is good for without a heartbeat, in ms. Absent: for ever. */
  readonly ttlMs?: number;
  /** The resource that is sent again when this one changed: a cluster's endpoints (rule 8 of docs/xds.md). */
  readonly companion?: ResourceKey;
}

export interface ResourceKey {
  readonly typeUrl: string;
  readonly name: string;
}

/** A change of what some proxies get. Applied as a whole. */
export interface ResourceDelta {
  readonly upsert: readonly Resource[];
  readonly remove: readonly ResourceKey[];
}

/** Who a stream belongs to. */
export interface NodeFacts {
  readonly id: string;
  /** `metadata.labels` of its node, as far as it may claim them, and those that its identity gives it. */
  readonly labels: Readonly<Record<string, string>>;
  readonly node: Node;
  /** Where it connects from, as in `10.0.0.1:40000`. */
  readonly peer: string;
  readonly variant: 'delta' | 'sotw';
}

/** What a proxy asks for of a type: always as of now. */
export interface Asked {
  /** It asks for all. */
  readonly wildcard: boolean;
  covers(name: string): boolean;
}

/** What a proxy said of resources. */
export type NodeEvent =
  /** A stream of it has begun, which need not be its only one. */
  | { readonly type: 'connected'; readonly node: NodeFacts }
  /** Its last stream has ended. */
  | { readonly type: 'disconnected'; readonly id: string }
  /** It asks for something else of a type, on all of its streams; `dropped` are names that it asked for until then. */
  | {
      readonly type: 'subscribed';
      readonly id: string;
      readonly typeUrl: string;
      readonly asked: Asked;
      readonly dropped: readonly string[];
    }
  /** It asks for nothing of a type any more, as the last of its streams that did has ended. */
  | { readonly type: 'unsubscribed'; readonly id: string; readonly typeUrl: string }
  /** It took these versions; `removed` are names that it no longer has. */
  | {
      readonly type: 'ack';
      readonly id: string;
      readonly typeUrl: string;
      readonly versions: ReadonlyMap<string, string>;
      readonly removed: readonly string[];
      /** Since they were sent, in ms. */
      readonly elapsedMs?: number;
    }
  /**
   * It refused these versions, or some of them: which, `message` may say, line by line as `NAME: fault`. Whether it still has
   * `removed` nobody knows.
   */
  | {
      readonly type: 'nack';
      readonly id: string;
      readonly typeUrl: string;
      readonly versions: ReadonlyMap<string, string>;
      readonly removed: readonly string[];
      readonly message: string;
      /** Since they were sent, in ms. */
      readonly elapsedMs?: number;
    };
