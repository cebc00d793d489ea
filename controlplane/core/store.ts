/**
 * The store of the control plane: keys with values, in revisions. What etcd gives is the model; the embedded store and
 * those to come do the same, and one contract test holds all of them to it (test/support/store-contract.ts). Types only.
 */

/** A value under a key. */
export interface Entry {
  /** Parts are separated by slashes; any UTF-8. At most 1 KiB. */
  readonly key: string;
  /** At most 1 MiB. */
  readonly value: Buffer;
  /** The revision that made it; starts anew when it was deleted in between. */
  readonly createRevision: number;
  /** The revision of its last change. */
  readonly modRevision: number;
}

/** What must hold for a transaction to be made: the key's last change is this revision; 0: it does not exist. */
export interface Condition {
  readonly key: string;
  readonly modRevision: number;
}

/** One operation of a transaction. No key twice in one transaction. */
export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly type: 'delete'; readonly key: string };

/** All operations were made at this revision; or none, as these keys did not meet their condition. */
export type Outcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly revision: number; readonly failed: readonly string[] };

export type StoreEvent =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: number };

/** All changes of one revision: never split, in the order of revisions, none left out. */
export interface StoreChange {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

/** A consistent reading of a prefix. */
export interface Listing {
  /** In the order of keys' bytes. */
  readonly entries: readonly Entry[];
  readonly revision: number;
}

/** @param onSign hears of the others: when one lived, in ms since 1970. */
export type Presence = (id: string, onSign: (id: string, at: number) => void, signal: AbortSignal) => Promise<void>;

export interface Store {
  /** The revision of now. */
  revision(): Promise<number>;
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string): Promise<Listing>;
  /**
   * Makes all operations, or none. Resolves once they survive the process's end at any instant.
   *
   * @throws StoreError `FULL` (no space; nothing was changed), `TOO_LARGE`, `UNAVAILABLE` (of etcd: whether it was made is
   * not known), `CLOSED`.
   */
  transact(conditions: readonly Condition[], operations: readonly Operation[]): Promise<Outcome>;
  /**
   * Puts these in place of all that the store has. Whoever reads sees all of the old or all of the new, and so does whoever
   * comes after a crash at any instant. A watch gets one change, or ends with `COMPACTED`.
   *
   * @returns the revision from which on they are there.
   * @throws StoreError as `transact`; `UNAVAILABLE` also where another replacement came in between (nothing was changed).
   */
  replace(entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number>;
  /**
   * Every change under a prefix after a revision, as they come. Resumes by itself when the connection to the store was lost.
   * It ends when `signal` aborts.
   *
   * @throws StoreError `COMPACTED` where changes after `revision` are not kept any more: then `list` again; `CLOSED`.
   */
  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<StoreChange>;
  /** Forgets changes up to a revision; values of now stay. */
  compact(revision: number): Promise<void>;
  /**
   * True for one of the replicas at most at any instant; hears changes until `signal` aborts. Alone, always true.
   * Resolves once it no longer leads, after `signal` aborted or the store was closed: whoever led hears false before.
   */
  lead(name: string, onChange: (leads: boolean) => void, signal: AbortSignal): Promise<void>;
  /**
   * Says that a replica lives until `signal` aborts, and hears of each of the others every few seconds that it does, or when it
   * last did (in ms since 1970). Of a store that has means for that which cost less than its keys; absent: replicas write a key
   * now and then. Resolves once others can know that it is gone.
   */
  readonly presence?: Presence | undefined;
  close(): Promise<void>;
}

export type StoreErrorCode = 'CLOSED' | 'COMPACTED' | 'CORRUPT' | 'FULL' | 'LOCKED' | 'TOO_LARGE' | 'UNAVAILABLE';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StoreError';
    this.code = code;
  }
}
