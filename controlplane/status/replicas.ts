/**
 * What the replicas tell each other of their proxies, through the store, so that each can answer for all. A replica writes
 * only what changed, at most every few seconds; one that has not been heard of for a while does not count.
 */
import { randomUUID } from 'node:crypto';
import type { Proxy, ProxyFault } from '../../gen/messages.ts';
import type { Logger } from '../../common/log.ts';
import { pause } from '../../common/signal.ts';
import { type Operation, type Store, StoreError, type StoreEvent } from '../core/store.ts';
import { shortHash } from '../model/canonical.ts';
import { STATUS_PREFIX } from '../model/keys.ts';
import type { Standing } from '../model/rollout-record.ts';
import { BEAT, type Beat, type Other, Others } from './others.ts';
import { partsOf, type Summary } from './summary.ts';
import type { Counts } from './tracker.ts';

export interface ReplicasOptions {
  readonly id: string;
  readonly store: Store;
  readonly log: Logger;
  readonly summarize: () => Summary;
  /** The store's revision whose configuration the proxies here are given. */
  readonly applied: () => number;
  /** Since when a proxy is connected here, in ISO 8601; undefined: it is not. */
  readonly connectedSince: (proxy: string) => string | undefined;
  /** Hears that another replica said something new, or is gone. */
  readonly onChange: () => void;
  /** Between two writings, in ms. 2,000 when absent. */
  readonly interval?: number;
  /** A replica that was not heard of for so long does not count, in ms. 15 intervals when absent. */
  readonly silence?: number;
  /** What it said is deleted when nothing was seen of it for so long, in ms. 300 intervals when absent. */
  readonly forget?: number;
}

/** A heartbeat comes after so many intervals without a change, where the store itself doesn't tell who lives. */
const BEAT_INTERVALS = 5;
/**
 * What one transaction has at most: etcd takes 128 operations and 1.5 MiB, unless it is told otherwise. And in bytes, the
 * largest entry of a value.
 */
const LIMITS = { operations: 100, bytes: 1024 * 1024, entry: 512 * 1024 };
/** Of a value with several entries, in bytes: a change of one proxy writes so much. */
const MAX_PART = 128 * 1024;
/** Of what was left out, so many are named in the log. */
const MAX_NAMED = 5;

/** A value of ours that the store has. */
interface Written {
  readonly hash: string;
  readonly revision: number;
}

export class Replicas {
  private readonly options: ReplicasOptions;
  private readonly others: Others;
  private readonly prefix: string;
  private written = new Map<string, Written>();
  private limits = LIMITS;
  private timer: NodeJS.Timeout | undefined;
  private idle = Infinity;
  private busy: Promise<unknown> = Promise.resolve();
  private dirty = true;
  /** The revision that was said. */
  private said = -1;
  /** Those that counted at the last tick. */
  private counted = '';
  /** Those whose proxies have all connected elsewhere since: what they have said of objects is told by others by now. */
  private left: ReadonlySet<string> = new Set();
  /** What is in the log, and still so. */
  private fault = '';
  private leftOut = '';
  private readonly run = randomUUID();
  /** The log says that another one has the same name. */
  private namesake = false;

  constructor(options: ReplicasOptions) {
    this.options = options;
    this.others = new Others(options.silence ?? 3 * BEAT_INTERVALS * this.interval);
    this.prefix = `${STATUS_PREFIX}${encodeURIComponent(options.id)}/`;
  }

  /** Reads what the others say, as soon as the store can be read, and says from then on what is here, until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => void this.follow(signal, resolve).then(resolve));
    const { store, id, log } = this.options;
    store
      .presence?.(id, (other, at) => this.others.heard(other, at), signal)
      .catch((error: unknown) =>
        log.debug({ error: String(error) }, 'this replica does not say any more that it lives'),
      );
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
    await this.inTurn(async () => {
      // The heartbeat first: without it the rest is nobody's.
      const keys = [...this.written.keys()].sort((one, other) => Number(this.isBeat(other)) - Number(this.isBeat(one)));
      for (const batch of this.batches(keys.map((key) => ({ type: 'delete', key })))) {
        await this.options.store.transact([], batch);
      }
    }).catch(() => undefined);
  }

  /** The others that have not said yet how far their proxies are with a revision, sorted. */
  behind(revision: number): string[] {
    return [...this.others.alive()].flatMap(([id, other]) => (other.revision < revision ? [id] : [])).sort();
  }

  /** Counts of an object in the proxies of the others. */
  counts(id: string, version: string): Counts {
    let [selected, acked, serving] = [0, 0, 0];
    const failed: ProxyFault[] = [];
    for (const other of this.counting()) {
      const found = other.entries('objects').get(id);
      if (found === undefined) continue;
      selected += found.selected;
      if (found.version !== version) continue;
      acked += found.acked;
      serving += found.serving;
      failed.push(...found.failed);
    }
    return { selected, acked, serving, failed };
  }

  /** The proxies of the others, by their ids. One that has gone from one of them to another is where it came last. */
  proxies(): ReadonlyMap<string, Proxy> {
    const found = new Map<string, Proxy>();
    for (const other of this.counting()) {
      for (const [id, proxy] of other.entries('proxies')) {
        const known = found.get(id);
        if (!known || (known.connected_at ?? '') < (proxy.connected_at ?? '')) found.set(id, proxy);
      }
    }
    return found;
  }

  hasProxy(id: string): boolean {
    return [...this.counting()].some((other) => other.entries('proxies').has(id));
  }

  /** How the proxies of each of the others stand to a rollout. */
  *standings(rollout: string): Iterable<ReadonlyMap<string, Standing>> {
    for (const other of this.counting()) {
      const found = new Map<string, Standing>();
      for (const [proxy, standings] of other.entries('rollouts')) {
        const standing = standings[rollout];
        if (standing) found.set(proxy, standing);
      }
      yield found;
    }
  }

  private *counting(): Iterable<Other> {
    for (const [id, other] of this.others.alive()) if (!this.left.has(id)) yield other;
  }

  /** A replica that was killed is silent for long before it does not count, and its proxies are elsewhere soon. */
  private findLeft(): void {
    const alive = [...this.others.alive()];
    const sinceElsewhere = (proxy: string, than: Other): number => {
      const since = [this.options.connectedSince(proxy)];
      for (const [, other] of alive) if (other !== than) since.push(other.entries('proxies').get(proxy)?.connected_at);
      return Math.max(...since.map((each) => Date.parse(each ?? '') || 0));
    };
    const isLeft = (other: Other): boolean => {
      const proxies = other.entries('proxies');
      for (const [id, { connected_at: since }] of proxies) {
        if (sinceElsewhere(id, other) <= (Date.parse(since ?? '') || 0)) return false;
      }
      return proxies.size > 0;
    };
    this.left = new Set(alive.flatMap(([id, other]) => (isLeft(other) ? [id] : [])));
  }

  private get interval(): number {
    return this.options.interval ?? 2000;
  }

  private isBeat(key: string): boolean {
    return key === `${this.prefix}${BEAT}`;
  }

  /** One after the other: what is written, and what is heard of that. */
  private inTurn<T>(work: () => Promise<T> | T): Promise<T> {
    const done = this.busy.then(work);
    this.busy = done.catch(() => undefined);
    return done;
  }

  /** Others fall silent without a word, and lose their proxies: whoever waits for them hears of it here. */
  private tick(): void {
    this.findLeft();
    const counted = JSON.stringify([...this.others.alive()].map(([id]) => [id, this.left.has(id)]));
    if (counted !== this.counted) this.options.onChange();
    this.counted = counted;
    void this.inTurn(() => this.write());
  }

  private async write(): Promise<void> {
    const { log } = this.options;
    if (!this.options.store.presence) this.idle++;
    if (this.options.applied() !== this.said) this.dirty = true;
    try {
      if (this.dirty || this.idle >= BEAT_INTERVALS) await this.writeChanged();
      await this.forget();
      if (this.fault !== '') log.info({}, 'what is known of the proxies is written again');
      this.fault = '';
    } catch (error) {
      this.dirty = true; // the next time
      if (error instanceof StoreError && error.code === 'CLOSED') return;
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== this.fault) {
        const what =
          'what is known of the proxies could not be written, and other replicas do not know it: it is tried again';
        log.warn({ error: fault, ...this.limits }, what);
      }
      this.fault = fault;
    }
  }

  private async writeChanged(): Promise<void> {
    const revision = this.options.applied(); // before the summary: what that is of is not older
    const operations = this.dirty ? this.changes() : [];
    this.dirty = false;
    const beat: Beat = { at: new Date().toISOString(), revision, run: this.run };
    // At last: what was said before it counts from then on.
    operations.push({ type: 'put', key: `${this.prefix}${BEAT}`, value: Buffer.from(JSON.stringify(beat)) });
    for (const batch of this.batches(operations)) await this.transact(batch);
    this.said = revision;
    this.idle = 0;
  }

  /** What is different from what the store has of us, but for the heartbeat. */
  private changes(): Operation[] {
    const { texts, leftOut } = partsOf(this.options.summarize(), MAX_PART, this.limits.entry);
    this.tellOf(leftOut);
    const operations: Operation[] = [];
    for (const [name, text] of texts) {
      const key = `${this.prefix}${name}`;
      if (this.written.get(key)?.hash !== shortHash(text)) {
        operations.push({ type: 'put', key, value: Buffer.from(text) });
      }
    }
    for (const key of this.written.keys()) {
      if (!this.isBeat(key) && !texts.has(key.slice(this.prefix.length))) operations.push({ type: 'delete', key });
    }
    return operations;
  }

  private tellOf(leftOut: readonly string[]): void {
    const named = leftOut.slice(0, MAX_NAMED).join(', ');
    if (named !== '' && named !== this.leftOut) {
      const what = 'what is known of some is too large for the store, and other replicas do not know it';
      this.options.log.warn({ entries: leftOut.length, first: named }, what);
    }
    this.leftOut = named;
  }

  private async transact(operations: readonly Operation[]): Promise<void> {
    const { revision } = await this.options.store.transact([], operations).catch((error: unknown) => {
      if (error instanceof StoreError && error.code === 'TOO_LARGE') this.narrow(operations);
      throw error;
    });
    for (const operation of operations) {
      if (operation.type === 'delete') this.written.delete(operation.key);
      else this.written.set(operation.key, { hash: shortHash(operation.value), revision });
    }
  }

  /** The store takes less at once than these, and less than it usually does. */
  private narrow(operations: readonly Operation[]): void {
    const half = (size: number): number => Math.ceil(size / 2);
    const bytes = half(operations.reduce((sum, each) => sum + sizeOf(each), 0));
    if (operations.length > 1) this.limits = { ...this.limits, operations: half(operations.length), bytes };
    else this.limits = { ...this.limits, entry: Math.min(bytes, half(this.limits.entry)) };
  }

  private *batches(operations: readonly Operation[]): Iterable<readonly Operation[]> {
    let batch: Operation[] = [];
    let bytes = 0;
    for (const operation of operations) {
      const size = sizeOf(operation);
      if (batch.length >= this.limits.operations || (batch.length > 0 && bytes + size > this.limits.bytes)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(operation);
      bytes += size;
    }
    if (batch.length > 0) yield batch;
  }

  /** Deletes what replicas have said that are gone for good. One that comes back in between keeps what it says. */
  private async forget(): Promise<void> {
    const { store, log, forget = 300 * this.interval } = this.options;
    for (const [id, other] of [...this.others.notSeenFor(forget)]) {
      const prefix = `${STATUS_PREFIX}${encodeURIComponent(id)}/`;
      const beat = `${prefix}${BEAT}`;
      const keys = [...[...other.names].map((name) => `${prefix}${name}`), beat];
      for (const batch of this.batches(keys.map((key) => ({ type: 'delete', key })))) {
        const { ok } = await store.transact([{ key: beat, modRevision: other.beatRevision }], batch);
        if (!ok) break;
      }
      other.seenAt = Date.now();
      log.info({ replica: id }, 'a replica was not heard of for long: what it said of its proxies is deleted');
    }
  }

  private async follow(signal: AbortSignal, onRead: () => void): Promise<void> {
    const { store, log, onChange } = this.options;
    while (!signal.aborted) {
      try {
        const revision = await this.inTurn(() => this.read());
        this.findLeft();
        onRead();
        onChange();
        for await (const { events } of store.watch(STATUS_PREFIX, revision, signal)) {
          this.hear(events);
          this.findLeft();
          onChange();
        }
      } catch (error) {
        if (error instanceof StoreError && error.code === 'CLOSED') return;
        if (error instanceof StoreError && error.code === 'COMPACTED') continue;
        log.debug({ error: String(error) }, 'what other replicas say could not be read: it is tried again');
        await pause(this.interval, signal);
      }
    }
  }

  /** What the store has of us may be of a run before this one, or of a backup: then it is said anew. */
  private async read(): Promise<number> {
    const { entries, revision } = await this.options.store.list(STATUS_PREFIX);
    this.others.relist();
    this.written = new Map();
    for (const { key, value, modRevision } of entries) {
      if (key.startsWith(this.prefix)) this.written.set(key, { hash: shortHash(value), revision: modRevision });
      else this.put(key, value, modRevision, true);
    }
    this.dirty = true;
    return revision;
  }

  private hear(events: readonly StoreEvent[]): void {
    const own: StoreEvent[] = [];
    for (const event of events) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      if (key.startsWith(this.prefix)) own.push(event);
      else if (event.type === 'put') this.put(key, event.entry.value, event.entry.modRevision, false);
      else this.others.remove(...placeOf(key));
    }
    // Not before what is being written is known to be so.
    if (own.length > 0) void this.inTurn(() => own.forEach((event) => this.hearOfOwn(event)));
  }

  /** Somebody else changed what is said here, by restoring a backup, or as it has the same name: it is said anew. */
  private hearOfOwn(event: StoreEvent): void {
    const { key, modRevision } = event.type === 'put' ? event.entry : event;
    const known = this.written.get(key);
    if (known ? known.revision >= modRevision : event.type === 'delete') return;
    if (event.type === 'put' && this.isBeat(key))
      this.understand(key, event.entry.value, (beat) => this.hearBeat(beat));
    if (event.type === 'put') this.written.set(key, { hash: shortHash(event.entry.value), revision: modRevision });
    else this.written.delete(key);
    this.dirty = true;
  }

  /** Of ours, or of one that has the same name. Heartbeats are in no backup. */
  private hearBeat({ run }: Partial<Beat>): void {
    const { id, log } = this.options;
    if (run === this.run || this.namesake) return;
    this.namesake = true;
    const what =
      'another control plane has the same --id at this store, and takes back what is said here: give each its own';
    log.warn({ id }, what);
  }

  private put(key: string, value: Buffer, modRevision: number, listed: boolean): void {
    const [replica, name] = placeOf(key);
    this.understand(key, value, (content) => this.others.put(replica, name, content, modRevision, listed));
  }

  /** Whoever can write to the store can write anything there. */
  private understand(key: string, value: Buffer, take: (content: Record<string, unknown>) => void): void {
    try {
      take(JSON.parse(value.toString()) as Record<string, unknown>);
    } catch (error) {
      this.options.log.error({ key, error: String(error) }, 'expected what a replica says, found what cannot be read');
    }
  }
}

/** In bytes. */
function sizeOf(operation: Operation): number {
  return Buffer.byteLength(operation.key) + (operation.type === 'put' ? operation.value.length : 0);
}

function placeOf(key: string): [replica: string, name: string] {
  const [replica = '', ...rest] = key.slice(STATUS_PREFIX.length).split('/');
  return [decodeURIComponent(replica), rest.join('/')];
}
