/** How changes of the configuration are traced: whoever makes them tells, telemetry/ records. Types only. */
import type { SpanIds, TraceContext } from '../../common/telemetry/trace-context.ts';
import type { NodeEvent, Resource } from './resource.ts';

/** Whoever records changes. */
export interface ChangeTracing {
  /** The version of this number is about to be made by a call that belongs to a trace. */
  expect(version: number, trace: TraceContext): void;
  /** A change has come, and is thought through. Undefined: it is not recorded. */
  begin(change: ChangeFacts): ChangeTrace | undefined;
  /** Changes are brought to views. Undefined: none of them is recorded. */
  push(translation: PushedTranslation): PushTrace | undefined;
  /** Hears what proxies say. Answers with a span of it, where there is one. */
  observe(event: NodeEvent): SpanIds | undefined;
  /** What is under way ends. */
  close(): void;
}

export interface ChangeFacts {
  /** Where it comes from: `store`, or parts of other sources, as `file:web.yaml`. */
  readonly sources: readonly string[];
  /** Ids of the objects that changed. */
  readonly objects: ReadonlySet<string>;
  /** The store's revision, */
  readonly revision: number;
  /** and the number of the version there, where it comes from the store. */
  readonly version?: number | undefined;
}

/** What proxies are to get. */
export interface PushedTranslation {
  readonly upsert: readonly { readonly id: string; readonly resources: readonly Resource[] }[];
  readonly remove: readonly string[];
}

/** A change that is recorded. */
export interface ChangeTrace {
  /** It is translated; where proxies get something of it, that is awaited. */
  translated(translation: PushedTranslation): void;
  failed(error: unknown): void;
  /** The control plane stops before it is brought to anybody. */
  dropped(): void;
}

/** A push that is recorded. */
export interface PushTrace {
  /** Views have it, for so many proxies: their answers are awaited. */
  applied(proxies: number): void;
  /** It is tried again. */
  failed(error: unknown): void;
}
