/** Where objects come from beside the store: a folder, Kubernetes. Types only. */
import type { FileFaults, ObjectStatus } from '../../gen/messages.ts';
import type { ConfigObject } from './object.ts';

/** What a source is given. */
export interface SourceHost {
  /**
   * By the name of a part of the source (`file:web.yaml`), the objects that it has from now on, in place of those that it had. Resolves
   * when they are on their way to proxies. Changes that are given together are seen together.
   */
  put(change: ReadonlyMap<string, readonly ConfigObject[]>): Promise<void>;
  /** How an object fares in all proxies; undefined where there is none of this id. */
  statusOf(id: string): ObjectStatus | undefined;
  /** Hears that statuses may have changed: often, so do little. Gives back what ends it. */
  onStatus(listener: () => void): () => void;
  /** Whether this replica leads: what only one of them may do is its to do. */
  readonly leads: boolean;
  /** Hears that `leads` changed. */
  onLead(listener: () => void): void;
}

/** A source: made with its host. */
export interface ObjectSource {
  /** Resolves when all that it has was put. @throws Error where it can't begin at all. */
  start(): Promise<void>;
  /** Looks for changes now, where it does not hear of them by itself. */
  reload(): Promise<void>;
  /** The files that it can't take as they are. */
  bad?(): readonly FileFaults[];
  close(): Promise<void>;
}

export type SourceFactory = (host: SourceHost) => ObjectSource;
