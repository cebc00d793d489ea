/**
 * What the replicas tell each other of their proxies, through the store, so that each can answer for all. A replica writes
 * only what changed, at most every few seconds; one that has not been heard of for a while does not count.
 */
import type { Proxy, ProxyFault } from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import { type Operation, type Store, StoreError } from '../core/store.ts';
import { canonicalJson, shortHash } from '../model/canonical.ts';
import { STATUS_PREFIX } from '../model/keys.ts';
import type { Counts } from './tracker.ts';

/** How far a rollout is in a replica's proxies; positions by their ids. */
export interface RolloutSummary {
  readonly selected: Readonly<Record<string, number>>;
  readonly updated: readonly string[];
  readonly failed: readonly ProxyFault[];
}

/** What a replica says. */
export interface Summary {
  readonly proxies: readonly Proxy[];
  /** By object: the version that is counted, and the counts. Objects that are for no proxy of it are not there. */
  readonly objects: Readonly<Record<string, { readonly version: string } & Counts>>;
  readonly rollouts: Readonly<Record<string, RolloutSummary>>;
}

export interface ReplicasOptions {
  readonly id: string;
  readonly store: Store;
  readonly log: Logger;
  readonly summarize: () => Summary;
  /** The store's revision whose configuration the proxies here are given. */
  readonly applied: () => number;
  /** Hears that another replica said something new, or is gone. */
  readonly onChange: () => void;
  /** Between two writings, in ms. 2,000 when absent. */
  readonly interval?: number;
  /** A replica that was not heard of for so long does not count, in ms. 15 intervals when absent. */
  readonly silence?: number;
}

/** Values that a summary is spread over, by the hash of what they are of: a change touches few of them. */
const SHARDS = 32;
/** A heartbeat comes after so many intervals without a change. */
const BEAT = 5;
const MAX_SHARD = 900 * 1024;

type Section = keyof Summary;

interface Other {
  heardAt: number;
  /** What it said is of proxies that were given this revision, or a later one. */
  revision: number;
  readonly shards: Map<string, Readonly<Record<string, unknown>>>;
}

export class Replicas {
  private readonly options: ReplicasOptions;
  private readonly others = new Map<string, Other>();
  private written = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;
  private idle = Infinity;
  private busy: Promise<void> = Promise.resolve();
  private dirty = true;
  /** The revision that was said. */
  private said = -1;
  /** Those that counted at the last tick. */
  private counted = '';

  constructor(options: ReplicasOptions) {
    this.options = options;
  }

  /** Reads what the others say, and says from now on what is here, until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await this.read();
    void this.follow(signal);
    this.timer = setInterval(() => this.tick(), this.interval);
    this.timer.unref();
  }

  /** Something changed here: it will be said. */
  changed(): void {
    this.dirty = true;
  }

  /** What was said here is taken back. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.busy;
    const operations = [...this.written.keys()].map((key): Operation => ({ type: 'delete', key }));
    if (operations.length > 0) await this.options.store.transact([], operations).catch(() => undefined);
  }

  /** The others that have not said yet how far their proxies are with a revision, sorted. */
  behind(revision: number): string[] {
    return [...this.alive()].flatMap(([id, other]) => (other.revision < revision ? [id] : [])).sort();
  }

  /** Counts of an object in the proxies of the others. */
  counts(id: string, version: string): Counts {
    let [selected, acked, serving] = [0, 0, 0];
    const failed: ProxyFault[] = [];
    for (const each of this.values<{ readonly version: string } & Counts>('objects', id)) {
      selected += each.selected;
      if (each.version !== version) continue;
      acked += each.acked;
      serving += each.serving;
      failed.push(...each.failed);
    }
    return { selected, acked, serving, failed };
  }

  /** The proxies of the others. */
  *proxies(): Iterable<Proxy> {
    for (const [, { shards }] of this.alive()) {
      for (const [key, shard] of shards) if (key.startsWith('proxies/')) yield* Object.values(shard) as Proxy[];
    }
  }

  hasProxy(id: string): boolean {
    return [...this.values('proxies', id)].length > 0;
  }

  countProxies(): number {
    return [...this.proxies()].length;
  }

  /** How far a rollout is in the proxies of the others. */
  rollouts(id: string): Iterable<RolloutSummary> {
    return this.values('rollouts', id);
  }

  /** Writes now what changed. */
  write(): Promise<void> {
    this.busy = this.busy.then(async () => {
      this.idle++;
      if (this.options.applied() !== this.said) this.dirty = true;
      if (!this.dirty && this.idle < BEAT) return;
      try {
        await this.writeChanged();
        this.idle = 0;
      } catch (error) {
        this.dirty = true; // the next time
        this.options.log.debug({ error: String(error) }, 'what is known of the proxies could not be written');
      }
    });
    return this.busy;
  }

  private get interval(): number {
    return this.options.interval ?? 2000;
  }

  private async writeChanged(): Promise<void> {
    const { id, store, summarize, applied } = this.options;
    const revision = applied(); // before the summary: what that is of is not older
    const beat = JSON.stringify({ at: new Date().toISOString(), revision });
    const next = this.dirty ? shardsOf(summarize()) : undefined;
    this.dirty = false;
    const prefix = `${STATUS_PREFIX}${encodeURIComponent(id)}/`;
    const operations: Operation[] = [{ type: 'put', key: `${prefix}beat`, value: Buffer.from(beat) }];
    const written = new Map(next ? [] : this.written);
    for (const [shard, value] of next ?? []) {
      const key = `${prefix}${shard}`;
      const hash = shortHash(value);
      written.set(key, hash);
      if (this.written.get(key) !== hash) operations.push({ type: 'put', key, value: Buffer.from(value) });
    }
    written.set(`${prefix}beat`, '');
    for (const key of this.written.keys()) if (!written.has(key)) operations.push({ type: 'delete', key });
    await store.transact([], operations);
    this.written = written;
    this.said = revision;
  }

  /** Others fall silent without a word: whoever waits for them hears of it here. */
  private tick(): void {
    const counted = JSON.stringify([...this.alive()].map(([id]) => id));
    if (counted !== this.counted) this.options.onChange();
    this.counted = counted;
    void this.write();
  }

  private async read(): Promise<number> {
    const { entries, revision } = await this.options.store.list(STATUS_PREFIX);
    this.others.clear();
    for (const { key, value } of entries) this.put(key, value, true);
    return revision;
  }

  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const revision = await this.read();
        for await (const { events } of this.options.store.watch(STATUS_PREFIX, revision, signal)) {
          for (const event of events) {
            if (event.type === 'put') this.put(event.entry.key, event.entry.value, false);
            else this.remove(event.key);
          }
          this.options.onChange();
        }
      } catch (error) {
        if (error instanceof StoreError && error.code === 'CLOSED') return;
        await new Promise((resolve) => setTimeout(resolve, this.interval).unref());
      }
    }
  }

  private put(key: string, value: Buffer, listed: boolean): void {
    const [replica, shard] = placeOf(key);
    if (replica === this.options.id) return;
    const other = this.others.get(replica) ?? { heardAt: 0, revision: -1, shards: new Map() };
    this.others.set(replica, other);
    const content = JSON.parse(value.toString()) as Record<string, unknown>;
    if (shard !== 'beat') other.shards.set(shard, content);
    else other.revision = Number(content['revision'] ?? -1);
    // Clocks differ: what comes counts from when it came, and only what was there already by its own time.
    if (!listed) other.heardAt = Date.now();
    else if (shard === 'beat') other.heardAt = Date.parse(String(content['at']));
  }

  private remove(key: string): void {
    const [replica, shard] = placeOf(key);
    // Somebody restored a backup: what is said here is said anew.
    if (replica === this.options.id && this.written.delete(key)) this.dirty = true;
    const other = this.others.get(replica);
    other?.shards.delete(shard);
    if (shard === 'beat') this.others.delete(replica);
  }

  private *alive(): Iterable<readonly [id: string, other: Other]> {
    const oldest = Date.now() - (this.options.silence ?? 3 * BEAT * this.interval);
    for (const each of this.others) if (each[1].heardAt >= oldest) yield each;
  }

  private *values<T>(section: Section, id: string): Iterable<T> {
    const shard = `${section}/${shardOf(id)}`;
    for (const [, { shards }] of this.alive()) {
      const found = shards.get(shard)?.[id];
      if (found !== undefined) yield found as T;
    }
  }
}

function placeOf(key: string): [replica: string, shard: string] {
  const [replica = '', ...rest] = key.slice(STATUS_PREFIX.length).split('/');
  return [decodeURIComponent(replica), rest.join('/')];
}

function shardOf(id: string): string {
  return String(parseInt(shortHash(id).slice(0, 4), 16) % SHARDS).padStart(2, '0');
}

/** What is too much for a value is left out: its last entries. */
function shardsOf({ proxies, objects, rollouts }: Summary): Map<string, string> {
  const sections: Record<Section, Readonly<Record<string, unknown>>> = {
    proxies: Object.fromEntries(proxies.map((proxy) => [proxy.id, proxy])),
    objects,
    rollouts,
  };
  const shards = new Map<string, Record<string, unknown>>();
  const sizes = new Map<string, number>();
  for (const [section, values] of Object.entries(sections)) {
    for (const [id, value] of Object.entries(values)) {
      const key = `${section}/${shardOf(id)}`;
      const size = (sizes.get(key) ?? 0) + Buffer.byteLength(JSON.stringify(value)) + Buffer.byteLength(id) + 8;
      if (size > MAX_SHARD) continue;
      sizes.set(key, size);
      const shard = shards.get(key) ?? {};
      shards.set(key, shard);
      shard[id] = value;
    }
  }
  return new Map([...shards].map(([key, shard]) => [key, canonicalJson(shard)]));
}
