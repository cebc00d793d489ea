/**
 * Snapshots: so that commits need not be kept for ever, and to put other entries in the place of all. Each has a new id, and
 * whoever has written a record while the head named another writes it anew. So all that the new head does not name, and that
 * was there before, is litter: nobody will ever refer to it.
 */
import { type Entry, StoreError } from '../../core/store.ts';
import { pause } from '../../../common/signal.ts';
import { isConflict, isPassing } from './api.ts';
import { moveHead, patiently } from './commit.ts';
import { floorOf, type Head, type HeadSpec } from './head.ts';
import { encodeEntries, listNames, namesOf, remove, write } from './records.ts';
import type { Replica } from './replica.ts';
import type { Turns } from './turns.ts';

/** Commits that the head names beyond those that are needed: others follow them, who may be behind. */
const KEPT_COMMITS = 64;
/** What a commit costs beside its bytes, as each stands in the head. */
const COMMIT_BYTES = 8 * 1024;
const LEAST_BYTES = 2 * 1024 * 1024;
const DEADLINE_MS = 60_000;
const TRIES = 50;

/** Reading commits should not take longer than reading the snapshot, nor the head become large. */
export function isSnapshotDue({ revision, head, entries, bytesSinceSnapshot }: Replica): boolean {
  const commits = revision - head.snapshot.revision;
  return bytesSinceSnapshot + commits * COMMIT_BYTES > Math.max(LEAST_BYTES, entries.bytes) || commits >= 1000;
}

/** Writes what there is as of now, beside those who write; then the head names it. @throws what the client throws. */
export async function makeSnapshot(replica: Replica, turns: Turns): Promise<void> {
  const { scope, revision, head, line } = replica;
  const json = encodeEntries(replica.entries.list(''));
  const end = performance.now() + DEADLINE_MS;
  const before = await patiently(end, scope, () => listNames(scope));
  const blob = await patiently(end, scope, () => write(scope, json));
  const move = async (): Promise<boolean> => {
    // Its answer was lost on the way.
    if (replica.head.snapshot.id === blob.id) return true;
    // Somebody else has made one meanwhile, or has put others in the place of all entries.
    if (replica.line !== line || replica.head.snapshot.id !== head.snapshot.id) return false;
    const { commits, ...now } = replica.head;
    const kept = now.revision - Math.max(revision - KEPT_COMMITS, floorOf(replica.head));
    const next = {
      ...now,
      commits: commits.slice(commits.length - kept),
      snapshot: { id: blob.id, revision },
    };
    replica.committed(await moveHead(scope, next), []);
    return true;
  };
  const isMoved = await turns.take(() => retried(replica, move));
  await remove(scope, isMoved ? litterOf(before, replica.head) : namesOf(scope, blob));
}

/** As `Store.replace`. Whoever calls it has the turn. @returns the revision. @throws what the client throws; StoreError */
export async function replaceAll(replica: Replica, entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number> {
  const { scope } = replica;
  const end = performance.now() + DEADLINE_MS;
  const json = encodeEntries(entries);
  await patiently(end, scope, () => replica.refresh());
  const { uid, snapshot } = replica.head;
  const before = await patiently(end, scope, () => listNames(scope));
  const blob = await patiently(end, scope, () => write(scope, json));
  const sent = { isUnknown: false };
  const move = async (): Promise<boolean> => {
    const { head } = replica;
    // Its answer was lost on the way.
    if (head.snapshot.id === blob.id) return true;
    if (head.uid !== uid || head.snapshot.id !== snapshot.id) return false;
    const revision = head.revision + 1;
    const next: HeadSpec & { version: string } = {
      version: head.version,
      revision,
      commits: [],
      snapshot: { id: blob.id, revision },
      compacted: revision,
    };
    try {
      replica.replaced(await moveHead(scope, next), entries);
    } catch (error) {
      sent.isUnknown ||= isPassing(error);
      throw error;
    }
    return true;
  };
  if (!(await retried(replica, move))) {
    await remove(scope, namesOf(scope, blob));
    const outcome = sent.isUnknown ? 'it may have been made before' : 'nothing was changed';
    throw new StoreError('UNAVAILABLE', `another replacement or snapshot came in between: ${outcome}`);
  }
  const { revision } = replica.head.snapshot;
  await remove(scope, litterOf(before, replica.head));
  return revision;
}

/** As `Store.compact`. Whoever calls it has the turn. @throws what the client throws. */
export async function compactTo(replica: Replica, revision: number): Promise<void> {
  const move = async (): Promise<boolean> => {
    const { head } = replica;
    const compacted = Math.min(revision, head.revision);
    if (compacted > head.compacted) replica.committed(await moveHead(replica.scope, { ...head, compacted }), []);
    return true;
  };
  await patiently(performance.now() + DEADLINE_MS, replica.scope, () => replica.refresh());
  await retried(replica, move);
}

/** Again where others moved the head, or no answer came. */
async function retried(replica: Replica, move: () => Promise<boolean>): Promise<boolean> {
  const { scope } = replica;
  const end = performance.now() + DEADLINE_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await move();
    } catch (error) {
      if ((!isConflict(error) && !isPassing(error)) || tries === TRIES || performance.now() > end) throw error;
      await pause(Math.random() * 5 * tries, scope.signal);
      await patiently(end, scope, () => replica.refresh());
    }
  }
}

function litterOf(before: Awaited<ReturnType<typeof listNames>>, { snapshot, commits }: Head): string[] {
  const named = new Set([snapshot.id, ...commits]);
  return before.filter(({ id }) => !named.has(id)).map(({ name }) => name);
}
