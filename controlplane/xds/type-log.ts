/**
 * The resources of one type in a view, in the order in which they changed last. Each change has a number; a stream that
 * has everything needs to remember no more than the number up to which it has it.
 *
 * ```
 *   segment            segment            segment (the last grows)
 *   1 . 3 4 . . 7  |   8 9 . 11 12   |    13 . 15 16
 *   sent to a new stream one by one       ^ a stream at 13 is sent 15 and 16
 * ```
 *
 * A change takes a resource out of its place (a dot) and puts it at the end. So a first state and a difference are the same
 * thing: all after a number. Segments are as large as a response may be, and keep their encoded bytes until they change.
 */
import { hash } from 'node:crypto';
import type { Resource } from '../core/resource.ts';
import { Body } from './body.ts';
import { encodeHead, encodeHeartbeats, encodeRemoved, encodeResources, type Encoding } from './responses.ts';
import { traitsOf, type TypeTraits } from './types.ts';

/** A response holds no more, unless a single resource is larger. gRPC's clients take up to 4 MB. */
export const CHUNK_BYTES = 256 * 1024;
/** Removals that are remembered for streams that are behind; for those that keep up as many as it takes. */
const MAX_REMOVALS = 16_384;
/** What a resource takes in a response beside its strings and bytes. */
const OVERHEAD_BYTES = 24;
/** Streams that are not equally far from each other may not fill the memory. */
const MAX_CACHED = 64;

export interface Entry {
  readonly name: string;
  /** Undefined: it is gone. */
  resource: Resource | undefined;
  /** What it was before it was gone. */
  previous: Resource | undefined;
  /** The number of its last change. */
  position: number;
  segment: Segment | undefined;
  /** The room that it takes there. */
  bytes: number;
  /** Alone, for those who name it; of those with a TTL heartbeats as well. */
  readonly encoded: Map<Encoding | `heartbeat ${Encoding}`, Buffer>;
  /** Its place among those with a TTL. */
  beat: number;
}

interface Segment {
  /** All of its entries changed after this; before it are only earlier segments. */
  readonly after: number;
  /** The last change that was put into it. */
  last: number;
  readonly entries: Set<Entry>;
  bytes: number;
  readonly batches: Map<Encoding, Batch>;
}

/** Resources that changed after a position, up to another. */
export interface Batch {
  readonly resources: readonly Resource[];
  readonly bytes: Buffer;
  readonly upTo: number;
}

/** Heartbeats of resources that come after a place, up to another. */
export interface Heartbeats {
  readonly body: Body;
  readonly upTo: number;
}

/** Names of what was removed after a position, up to another. */
export interface Removals {
  readonly names: readonly string[];
  readonly upTo: number;
}

export class TypeLog {
  readonly typeUrl: string;
  readonly traits: TypeTraits;
  readonly live = new Map<string, Resource>();
  /** The number of the last change. */
  head = 0;
  /** That of the last change that was not a removal. */
  lastUpsert = 0;
  lastRemoval = 0;
  /** Removals up to here are forgotten. */
  floor = 0;
  readonly #neededAfter: () => number;
  /** So many removals are remembered before it is looked which of them can be forgotten. */
  #forgetAt = MAX_REMOVALS;
  readonly #entries = new Map<string, Entry>();
  /** In the order of removal. */
  readonly #gone = new Map<string, Entry>();
  #segments: Segment[] = [];
  /** Made for a stream, kept for others that are equally far; until the next change. */
  readonly #bodies = new Map<string, Body>();
  readonly #batches = new Map<string, Batch | undefined>();
  readonly #removals = new Map<string, Removals>();
  readonly #heartbeats = new Map<string, Heartbeats | undefined>();
  readonly #made = [this.#bodies, this.#batches, this.#removals, this.#heartbeats];
  /** In the order of their places. */
  readonly #withTtl = new Map<string, number>();
  #beats = 0;
  /** The halves of the hash. */
  #high = 0;
  #low = 0;

  /** `neededAfter`: the position after which removals are yet to be told to those who keep up. */
  constructor(typeUrl: string, neededAfter: () => number = () => Infinity) {
    this.typeUrl = typeUrl;
    this.#neededAfter = neededAfter;
    this.traits = traitsOf(typeUrl);
  }

  /** Resources with a TTL, in ms by name. */
  get ttls(): ReadonlyMap<string, number> {
    return this.#withTtl;
  }

  /** A hash of the names and versions of all: equal on every replica. */
  get version(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  entry(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** Gives false where nothing changes. */
  put(resource: Resource): boolean {
    const { name, version, ttlMs } = resource;
    let entry = this.#entries.get(name);
    const before = entry?.resource;
    this.live.set(name, resource);
    if (entry === undefined) {
      const place = { position: 0, segment: undefined, bytes: 0, beat: 0 };
      entry = { name, resource, previous: undefined, ...place, encoded: new Map() };
      this.#entries.set(name, entry);
    } else if (before?.version === version && before.ttlMs === ttlMs) {
      entry.resource = resource; // its companion may be another one
      if (entry.segment) clear(entry.segment.batches);
      return false;
    }
    if (ttlMs === undefined) this.#withTtl.delete(name);
    else {
      if (!this.#withTtl.has(name)) entry.beat = this.#beats += 1;
      this.#withTtl.set(name, ttlMs);
    }
    if (before !== undefined) this.#mix(before);
    this.#mix(resource);
    this.#gone.delete(name);
    entry.resource = resource;
    entry.previous = undefined;
    this.#move(entry);
    return true;
  }

  /** As if the resource had changed: it is sent again. Gives false where there is none. */
  touch(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry?.resource === undefined) return false;
    this.#move(entry);
    return true;
  }

  /** Gives false where there is none. */
  remove(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry?.resource === undefined) return false;
    this.#mix(entry.resource);
    this.#take(entry);
    this.#uncache();
    this.live.delete(name);
    this.#withTtl.delete(name);
    entry.previous = entry.resource;
    entry.resource = undefined;
    clear(entry.encoded);
    entry.position = this.head += 1;
    this.lastRemoval = this.head;
    this.#gone.set(name, entry);
    this.#forget();
    return true;
  }

  /** The next resources after a position; undefined: there are none. */
  upsertsAfter(position: number, encoding: Encoding): Batch | undefined {
    if (position >= this.lastUpsert) return undefined;
    return cached(this.#batches, `${encoding} ${position}`, () => this.#findBatch(position, encoding));
  }

  #findBatch(position: number, encoding: Encoding): Batch | undefined {
    for (let index = this.#find(position); index < this.#segments.length; index++) {
      const segment = this.#segments[index];
      if (segment === undefined || segment.entries.size === 0) continue;
      const batch = position <= segment.after ? this.#batch(segment, encoding) : rest(segment, position, encoding);
      if (batch.resources.length > 0) return batch;
    }
    return undefined;
  }

  /** What was removed after a position, up to `last`, as much as a response may hold (or `maxBytes` of names). */
  removalsAfter(position: number, last = this.head, maxBytes = CHUNK_BYTES): Removals {
    if (position >= Math.min(last, this.lastRemoval)) return { names: [], upTo: last };
    return cached(this.#removals, `${maxBytes} ${position} ${last}`, () => {
      const names: string[] = [];
      let bytes = 0;
      for (const entry of this.#gone.values()) {
        if (entry.position <= position) continue;
        if (entry.position > last) break;
        bytes += Buffer.byteLength(entry.name);
        if (names.length > 0 && bytes > maxBytes) return { names, upTo: entry.position - 1 };
        names.push(entry.name);
      }
      return { names, upTo: last };
    });
  }

  /**
   * That the next resources with a TTL after a place are still good, as many as a response may hold: of all, or of those that
   * are covered. It counts as a response without resources: an answer says nothing new.
   */
  heartbeatsAfter(place: number, encoding: Encoding, covers?: (name: string) => boolean): Heartbeats | undefined {
    if (covers !== undefined) return this.#findHeartbeats(place, encoding, covers);
    return cached(this.#heartbeats, `${encoding} ${place}`, () => this.#findHeartbeats(place, encoding, () => true));
  }

  #findHeartbeats(place: number, encoding: Encoding, covers: (name: string) => boolean): Heartbeats | undefined {
    const encoded: Buffer[] = [];
    let [upTo, bytes] = [this.#beats, 0];
    for (const name of this.#withTtl.keys()) {
      const entry = this.#entries.get(name);
      if (entry?.resource === undefined || entry.beat <= place || !covers(name)) continue;
      const beat = heartbeatOf(entry, entry.resource, encoding);
      bytes += beat.length;
      if (encoded.length > 0 && bytes > CHUNK_BYTES) {
        upTo = entry.beat - 1;
        break;
      }
      encoded.push(beat);
    }
    if (encoded.length === 0) return undefined;
    return { body: this.body(encoded.length > 1 ? [Buffer.concat(encoded)] : encoded, [], []), upTo };
  }

  /** The encoded `resources` field of one resource. */
  encodedOf(entry: Entry, resource: Resource, encoding: Encoding): Buffer {
    let bytes = entry.encoded.get(encoding);
    if (bytes === undefined) {
      bytes = encodeResources([resource], encoding);
      // What is gone is asked for rarely, and its bytes are not what the name means any more.
      if (entry.resource === resource) entry.encoded.set(encoding, bytes);
    }
    return bytes;
  }

  /** All resources at once, and after them `retained`: what is gone, but not to be missed yet. */
  whole(encoding: Encoding, retained: readonly Resource[]): Body {
    const make = (): Body => {
      const batches = this.#segments.map((segment) => this.#batch(segment, encoding));
      return this.body(
        batches.map(({ bytes }) => bytes),
        batches.flatMap(({ resources }) => resources),
        [],
      );
    };
    const body = this.shared(`whole ${encoding}`, make);
    if (retained.length === 0) return body;
    return new Body([...body.parts, encodeResources(retained, encoding)], [...body.resources, ...retained], []);
  }

  /** A response that several streams are sent; it is made anew after the next change. */
  shared(key: string, make: () => Body): Body {
    return cached(this.#bodies, key, make);
  }

  body(encoded: readonly Buffer[], resources: readonly Resource[], removed: readonly string[]): Body {
    const parts = [encodeHead(this.version, this.typeUrl), ...encoded];
    if (removed.length > 0) parts.push(encodeRemoved(removed));
    return new Body(parts, resources, removed);
  }

  /** The encoding that is used: where no resource has a TTL, streams that know of TTLs and others share theirs. */
  encodingOf(encoding: Encoding): Encoding {
    if (this.#withTtl.size > 0) return encoding;
    return encoding.startsWith('delta') ? 'delta' : 'sotw';
  }

  /** Puts an entry at the end. */
  #move(entry: Entry): void {
    this.#take(entry);
    this.#uncache();
    clear(entry.encoded);
    entry.position = this.lastUpsert = this.head += 1;
    entry.bytes = sizeOf(entry);
    let segment = this.#segments.at(-1);
    if (segment === undefined || segment.bytes + entry.bytes > CHUNK_BYTES) {
      segment = { after: this.head - 1, last: this.head, entries: new Set(), bytes: 0, batches: new Map() };
      this.#segments.push(segment);
    }
    segment.entries.add(entry);
    segment.bytes += entry.bytes;
    segment.last = this.head;
    clear(segment.batches);
    entry.segment = segment;
  }

  /** Takes an entry out of its segment, which may then be joined with a neighbour. */
  #take(entry: Entry): void {
    const { segment } = entry;
    if (segment === undefined) return;
    entry.segment = undefined;
    segment.entries.delete(entry);
    clear(segment.batches);
    segment.bytes -= entry.bytes;
    const index = this.#find(segment.last - 1);
    const next = this.#segments[index + 1];
    if (next === undefined) return;
    if (segment.entries.size === 0) this.#segments.splice(index, 1);
    else if (segment.bytes + next.bytes <= CHUNK_BYTES / 2) this.#join(index, segment, next);
  }

  #join(index: number, segment: Segment, next: Segment): void {
    const joined: Segment = {
      after: segment.after,
      last: next.last,
      entries: new Set([...segment.entries, ...next.entries]),
      bytes: segment.bytes + next.bytes,
      batches: new Map(),
    };
    for (const each of joined.entries) each.segment = joined;
    this.#segments.splice(index, 2, joined);
  }

  /** The first segment that may have something after a position. */
  #find(position: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.last ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #batch(segment: Segment, encoding: Encoding): Batch {
    let batch = segment.batches.get(encoding);
    if (batch === undefined) {
      batch = rest(segment, segment.after, encoding);
      segment.batches.set(encoding, batch);
    }
    return batch;
  }

  #uncache(): void {
    for (const made of this.#made) clear(made);
  }

  #forget(): void {
    if (this.#gone.size <= this.#forgetAt) return;
    const needed = this.#neededAfter();
    for (const [name, entry] of this.#gone) {
      if (this.#gone.size <= MAX_REMOVALS / 2 || entry.position > needed) break;
      this.#gone.delete(name);
      this.#entries.delete(name);
      this.floor = entry.position;
    }
    this.#forgetAt = Math.max(MAX_REMOVALS, this.#gone.size * 2);
  }

  /** Adds to the hash, or takes away: the order of changes doesn't matter. */
  #mix({ name, version }: Resource): void {
    const digest = hash('sha256', JSON.stringify([name, version]));
    this.#high ^= parseInt(digest.slice(0, 8), 16);
    this.#low ^= parseInt(digest.slice(8, 16), 16);
  }
}

/** Most are empty in a large change, and to clear an empty map takes time, too. */
function clear(map: Map<string, unknown>): void {
  if (map.size > 0) map.clear();
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  const found = map.get(key);
  if (found !== undefined) return found;
  if (map.size >= MAX_CACHED) map.clear();
  const made = make();
  map.set(key, made);
  return made;
}

function heartbeatOf({ encoded }: Entry, resource: Resource, encoding: Encoding): Buffer {
  const key = `heartbeat ${encoding}` as const;
  const bytes = encoded.get(key) ?? encodeHeartbeats([resource], encoding);
  encoded.set(key, bytes);
  return bytes;
}

function rest(segment: Segment, position: number, encoding: Encoding): Batch {
  const resources: Resource[] = [];
  for (const entry of segment.entries) {
    if (entry.position > position && entry.resource) resources.push(entry.resource);
  }
  return { resources, bytes: encodeResources(resources, encoding), upTo: segment.last };
}

function sizeOf({ resource }: Entry): number {
  if (resource === undefined) return 0;
  const { name, version, typeUrl, value } = resource;
  return OVERHEAD_BYTES + name.length * 2 + version.length + typeUrl.length + value.length;
}
