/** What a client that already has something is sent: it was connected before, or sees another view from now on. */
import { readVersion } from './requests.ts';
import type { TypeLog } from './type-log.ts';

/** Names, by what has to be told of them. */
export interface Difference {
  readonly upserts: ReadonlySet<string>;
  readonly removals: ReadonlySet<string>;
}

/**
 * What a client lacks that says what it has (rule 12). What it says is compared entry by entry, and kept only where it
 * differs; the resources are walked only where they are not as many as it has in their versions of now.
 */
export function differenceToClient(log: TypeLog, initialVersions: readonly Uint8Array[]): Difference {
  const current = new Set<string>();
  const removals = new Set<string>();
  for (const entry of initialVersions) {
    const [name, version] = readVersion(entry);
    const resource = log.live.get(name);
    if (resource === undefined) removals.add(name);
    else if (resource.version === version) current.add(name);
  }
  const upserts = new Set<string>();
  if (current.size < log.live.size) {
    for (const name of log.live.keys()) if (!current.has(name)) upserts.add(name);
  }
  return { upserts, removals };
}

interface Held {
  readonly head: number;
  readonly versions: ReadonlyMap<string, string>;
}

/** What clients have that have everything: one map for all of them. */
const heldOfAll = new WeakMap<TypeLog, Held>();

/** What a client has, of what it says that it has, in its version of now: it took that from another stream. */
export function heldByClient(log: TypeLog, initialVersions: readonly Uint8Array[]): ReadonlyMap<string, string> {
  const versions = new Map<string, string>();
  for (const entry of initialVersions) {
    const [name, version] = readVersion(entry);
    if (log.live.get(name)?.version === version) versions.set(name, version);
  }
  if (versions.size < log.live.size) return versions;
  const known = heldOfAll.get(log);
  if (known?.head === log.head) return known.versions;
  heldOfAll.set(log, { head: log.head, versions });
  return versions;
}

/** How far a stream that is subscribed to all is in a log. */
export interface Positions {
  readonly upserts: number;
  readonly removals: number;
}

interface Cached {
  readonly from: TypeLog;
  readonly fromHead: number;
  readonly toHead: number;
  readonly difference: Difference;
}

/** The last difference to a log: streams move in crowds, and most of them have everything. */
const cache = new WeakMap<TypeLog, Cached>();

/** What a client lacks that was sent the resources of a log up to some positions, and sees another log from now on. */
export function differenceOfLogs(from: TypeLog, at: Positions, to: TypeLog): Difference {
  const complete = at.upserts >= from.lastUpsert && at.removals >= from.lastRemoval;
  const cached = cache.get(to);
  if (complete && cached?.from === from && cached.fromHead === from.head && cached.toHead === to.head) {
    return cached.difference;
  }
  const upserts = new Set<string>();
  const removals = new Set<string>();
  for (const [name, { version }] of to.live) {
    if (!sent(from, name, version, at.upserts)) upserts.add(name);
  }
  for (const name of from.live.keys()) if (!to.live.has(name)) removals.add(name);
  for (const name of from.removalsAfter(at.removals, Infinity).names) if (!to.live.has(name)) removals.add(name);
  const difference = { upserts, removals };
  if (complete) cache.set(to, { from, fromHead: from.head, toHead: to.head, difference });
  return difference;
}

/** Whether a stream that is at a position was sent this version. */
function sent(log: TypeLog, name: string, version: string, position: number): boolean {
  const entry = log.entry(name);
  return entry?.resource?.version === version && entry.position <= position;
}
