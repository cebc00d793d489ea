/**
 * The one object that says what a store is as of now: which snapshot, and which commits after it. Whoever changes the store
 * replaces it where it still is what was read: that is the commit.
 */
import { StoreError } from '../../core/store.ts';
import type { ResourceKind, StoredObject } from './api.ts';

/** The label of all that one store has; its value is the store's name. */
export const STORE_LABEL = 'l7mp.io/store';

export const HEAD: ResourceKind = {
  group: 'l7mp.io',
  version: 'v1',
  kind: 'StoreHead',
  plural: 'storeheads',
  namespaced: true,
};

/** The revision of a store in which nothing was ever changed, as etcd's. */
export const FIRST_REVISION = 1;

export interface HeadSpec {
  /** Of now. */
  readonly revision: number;
  /** Ids of the records of commits, in the order of revisions; the last is of `revision`. */
  readonly commits: readonly string[];
  /** All entries as of a revision; the id is empty where there were none yet. */
  readonly snapshot: { readonly id: string; readonly revision: number };
  /** Watches begin after it at the earliest. */
  readonly compacted: number;
}

export interface Head extends HeadSpec {
  readonly uid: string;
  readonly version: string;
}

export const FIRST_HEAD: HeadSpec = {
  revision: FIRST_REVISION,
  commits: [],
  snapshot: { id: '', revision: FIRST_REVISION },
  compacted: FIRST_REVISION,
};

/** The revision before the first commit that the head names. */
export function floorOf({ revision, commits }: HeadSpec): number {
  return revision - commits.length;
}

/** @throws StoreError `CORRUPT` */
export function headOf({ metadata, spec }: StoredObject): Head {
  const { uid = '', resourceVersion: version = '' } = metadata;
  const { revision, commits, snapshot, compacted } = (spec ?? {}) as Partial<HeadSpec>;
  const isWhole = Number.isSafeInteger(revision) && Array.isArray(commits) && Number.isSafeInteger(snapshot?.revision);
  const head = { uid, version, revision, commits, snapshot, compacted: compacted ?? 0 } as Head;
  if (!isWhole || floorOf(head) > head.snapshot.revision || head.snapshot.revision > head.revision) {
    throw new StoreError('CORRUPT', `StoreHead ${metadata.name}: expected the head of a store, found something else`);
  }
  return head;
}

export function objectOf(
  namespace: string,
  name: string,
  { version, ...head }: HeadSpec & { version?: string },
): StoredObject {
  const { revision, commits, snapshot, compacted } = head;
  const labels = { [STORE_LABEL]: name };
  const metadata = { namespace, name, labels, ...(version !== undefined && { resourceVersion: version }) };
  return { apiVersion: 'l7mp.io/v1', kind: HEAD.kind, metadata, spec: { revision, commits, snapshot, compacted } };
}

/** Whether one head of the same object is before another. */
export function isOlder(one: Head, other: Head): boolean {
  return one.uid === other.uid && BigInt(one.version) <= BigInt(other.version);
}
