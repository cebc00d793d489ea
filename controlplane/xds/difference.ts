/** What a client that already has something is sent: it was connected before, or sees another view from now on. */
import { digestOf } from './digest.ts';
import { type Entries, readVersions } from './requests.ts';
import type { TypeLog } from './type-log.ts';

/** Names, by what has to be told of them. */
export interface Difference {
  readonly upserts: ReadonlySet<string>;
  readonly removals: ReadonlySet<string>;
}

/** What a client has that says what it has, and how that differs from what there is. */
export interface Held extends Difference {
  /** Of what it has, what is in its version of now: it took that from another stream. */
  readonly versions: ReadonlyMap<string, string>;
  /** Of what it has, what is in another version now. */
  readonly stale: ReadonlySet<string>;
}

/** By digest, for clients that have the same; until the next change. */
interface KnownHeld {
  readonly head: number;
  readonly byDigest: Map<string, Held>;
}

const knownHeld = new WeakMap<TypeLog, KnownHeld>();
/** Each may be as large as the log: a fleet that connects again is in few states. */
const MAX_KNOWN = 8;

/** What a client has of a log (rule 12). It is found once for all clients that have the same. @throws RpcError INVALID_ARGUMENT. */
export function heldByClient(log: TypeLog, initialVersions: Entries): Held {
  let known = knownHeld.get(log);
  if (known?.head !== log.head) {
    known = { head: log.head, byDigest: new Map() };
    knownHeld.set(log, known);
  }
  const digest = digestOf(initialVersions);
  let held = known.byDigest.get(digest);
  if (held === undefined) {
    held = compareHeld(log, initialVersions);
    if (known.byDigest.size >= MAX_KNOWN) known.byDigest.clear();
    known.byDigest.set(digest, held);
  }
  return held;
}

/** Compares entry by entry, in any order: what is said in two versions is stale. @throws RpcError INVALID_ARGUMENT. */
export function compareHeld(log: TypeLog, initialVersions: Entries): Held {
  const versions = new Map<string, string>();
  const stale = new Set<string>();
  const removals = new Set<string>();
  readVersions(initialVersions, (name, version) => {
    const resource = log.live.get(name);
    if (resource === undefined) removals.add(name);
    else if (resource.version === version) versions.set(resource.name, resource.version);
    else stale.add(name);
  });
  for (const name of stale) versions.delete(name);
  let upserts: ReadonlySet<string> | undefined;
  return {
    versions,
    stale,
    removals,
    // Not of interest where a client names a few of many.
    get upserts() {
      upserts ??= new Set(
        versions.size < log.live.size ? [...log.live.keys()].filter((name) => !versions.has(name)) : [],
      );
      return upserts;
    },
  };
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
  for (const name of from.removalsAfter(at.removals, from.head, Infinity).names)
    if (!to.live.has(name)) removals.add(name);
  const difference = { upserts, removals };
  if (complete) cache.set(to, { from, fromHead: from.head, toHead: to.head, difference });
  return difference;
}

/** Whether a stream that is at a position was sent this version. */
function sent(log: TypeLog, name: string, version: string, position: number): boolean {
  const entry = log.entry(name);
  return entry?.resource?.version === version && entry.position <= position;
}
