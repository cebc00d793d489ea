/**
 * What a replica says of its proxies, as values of the store: a summary is spread over shards by the hash of what its entries
 * are of, so that a change touches few values, and a shard over parts, so that none is too large.
 */
import type { Proxy } from '../../gen/messages.ts';
import { canonicalJson, shortHash } from '../model/canonical.ts';
import type { Standing } from '../model/rollout-record.ts';
import type { Counts } from './tracker.ts';

/** What a replica says. */
export interface Summary {
  /** By their ids. */
  readonly proxies: Readonly<Record<string, Proxy>>;
  /** By object: the version that is counted, and the counts. Objects that are for no proxy of it are not there. */
  readonly objects: Readonly<Record<string, { readonly version: string } & Counts>>;
  /** By proxy, then by rollout. */
  readonly rollouts: Readonly<Record<string, Readonly<Record<string, Standing>>>>;
}

export type Section = keyof Summary;

/** What an entry of a section is. */
export type EntryOf<S extends Section> = Summary[S][string];

export interface Parts {
  /** By their names, as in `proxies/07/0`: JSON of entries by their ids. */
  readonly texts: ReadonlyMap<string, string>;
  /** What is too large, as in `proxies/edge-1`. */
  readonly leftOut: readonly string[];
}

const SHARDS = 32;

/**
 * @param maxPart Of a part with several entries, in bytes.
 * @param maxEntry Of an entry, in bytes. A larger one than `maxPart` has a part of its own.
 */
export function partsOf(summary: Summary, maxPart: number, maxEntry: number): Parts {
  const texts = new Map<string, string>();
  const leftOut: string[] = [];
  for (const section of ['proxies', 'objects', 'rollouts'] as const) {
    const shards = Array.from({ length: SHARDS }, () => new ShardWriter(Math.min(maxPart, maxEntry), maxEntry));
    const entries: Readonly<Record<string, unknown>> = summary[section];
    for (const id of Object.keys(entries).sort()) {
      if (shards[shardOf(id)]?.add(id, entries[id]) === false) leftOut.push(`${section}/${id}`);
    }
    for (const [shard, { parts }] of shards.entries()) {
      for (const [part, lines] of parts.entries()) {
        texts.set(`${section}/${String(shard).padStart(2, '0')}/${part}`, `{${lines.join()}}`);
      }
    }
  }
  return { texts, leftOut };
}

class ShardWriter {
  readonly parts: string[][] = [];
  private readonly maxPart: number;
  private readonly maxEntry: number;
  private room = 0;

  constructor(maxPart: number, maxEntry: number) {
    this.maxPart = maxPart;
    this.maxEntry = maxEntry;
  }

  /** False: it is too large. */
  add(id: string, entry: unknown): boolean {
    const text = `${JSON.stringify(id)}:${canonicalJson(entry)}`;
    const bytes = Buffer.byteLength(text) + 1;
    if (bytes > this.maxEntry) return false;
    if (bytes > this.room) {
      this.parts.push([]);
      this.room = this.maxPart;
    }
    this.parts.at(-1)?.push(text);
    this.room -= bytes;
    return true;
  }
}

function shardOf(id: string): number {
  return parseInt(shortHash(id).slice(0, 4), 16) % SHARDS;
}
