/** What the configuration service is given of the other parts. Types only. */
import type { FileFaults, ObjectFate, ObjectStatus, Proxy } from '../../gen/messages.ts';
import type { Store } from '../core/store.ts';
import type { Committer } from '../live/committer.ts';
import type { StoreMirror } from '../live/mirror.ts';
import type { ConfigObject } from '../model/object.ts';
import type { ControlAction, RolloutRecord } from '../model/rollout-record.ts';
import type { Feeds } from './feed.ts';
import type { Check } from './requests.ts';

/** Writes a backup piece by piece; replaces what the store holds by one, of which nothing is taken where it is damaged. */
export interface BackupFunctions {
  readonly backup: (store: Store, write: (data: Buffer) => Promise<void>) => Promise<void>;
  readonly restore: (
    store: Store,
    read: AsyncIterable<Buffer>,
  ) => Promise<{
    /** All that there are from then on. */
    readonly keys: readonly string[];
    readonly revision: number;
  }>;
}

export interface Model extends BackupFunctions {
  readonly store: Store;
  readonly mirror: Pick<
    StoreMirror,
    'objects' | 'rollouts' | 'head' | 'revision' | 'changedAt' | 'reached' | 'emptied'
  >;
  readonly committer: Committer;
  /** What ends the rollouts under way that change these objects. */
  readonly supersede: (
    ids: ReadonlySet<string>,
    reason: string,
  ) => ReturnType<typeof import('../live/committer.ts').supersede>;
  readonly rollouts: {
    /** Tells a rollout how to go on. False where it has ended by then. */
    control(id: string, action: ControlAction, author: string): Promise<boolean>;
    /** The record, with how far it is now. */
    stateOf(rollout: RolloutRecord): RolloutRecord;
  };
  readonly check: Check;
  /** The object that counts, of whatever source. */
  readonly get: (id: string) => ConfigObject | undefined;
  /** The rollout under way that changes an object, which need not be there yet. */
  readonly rolloutOf: (id: string) => RolloutRecord | undefined;
  /** All that count. */
  readonly objects: () => Iterable<ConfigObject>;
  /** Those that do not count, as another source has their name. */
  readonly shadowed: () => Iterable<{ readonly object: ConfigObject; readonly by: string }>;
  readonly statusOf: (object: ConfigObject) => ObjectStatus;
  /** How an object fares in a proxy that it is for. */
  readonly fateOf: (object: ConfigObject, proxy: Proxy) => ObjectFate;
  /** The proxies of all replicas. */
  readonly proxies: () => Iterable<Proxy>;
  readonly countProxies: () => number;
  /** It has only just started: proxies that were connected before may have yet to come back. */
  readonly awaitsProxies: () => boolean;
  /** The files of the folder that can't be taken as they are. */
  readonly badFiles: () => readonly FileFaults[];
  /** The revision whose configuration proxies are given that are connected here. */
  readonly applied: () => number;
  /** The other replicas of which it is not known yet how far their proxies are with a revision. */
  readonly behind: (revision: number) => readonly string[];
  /** Hears of changes of objects. */
  readonly feeds: Feeds;
  /** Hears that the status of something may have changed. Gives back what ends it. */
  readonly onStatus: (listener: () => void) => () => void;
}
