/** What one stream is subscribed to of one type, and what of it is to be sent. */
import type { Asked, Resource, ResourceKey } from '../core/resource.ts';
import type { Body } from './body.ts';
import { type Difference, differenceOfLogs } from './difference.ts';
import { takeNames, wholeOf } from './compose.ts';
import type { Encoding, Variant } from './responses.ts';
import { Sent } from './sent.ts';
import type { Entry, TypeLog } from './type-log.ts';
import type { Subscriber, TypeView } from './view.ts';

/** What a subscription needs of its stream. */
export interface SubscriptionHost {
  readonly variant: Variant;
  readonly encoding: Encoding;
  /** Responses of a type that may be unanswered at a time. */
  readonly maxInFlight: number;
  /** False: the client is slow, and nothing is to be pushed. */
  readonly writable: boolean;
  wake(): void;
  /** Sends a response, and gives its nonce: its number on the stream. */
  send(body: Body): string;
  /** These are wanted by whoever gets what was sent in answer to what it had (rule 8). */
  force(key: ResourceKey): void;
}

export class Subscription implements Subscriber, Asked {
  readonly typeUrl: string;
  readonly sent = new Sent();
  readonly #host: SubscriptionHost;
  #type: TypeView;
  #wildcard = false;
  readonly #names = new Set<string>();
  #nameCharacters = 0;
  /** Names that were asked for at the last `takeDropped`, and are not any more; undefined: the client asks for what it did. */
  #dropped: string[] | undefined;
  /** Of the wildcard: what was sent of the log. */
  #upsertsTo = 0;
  #removalsTo = 0;
  /** Of the wildcard: the client may have some of it, from this stream or from one before. */
  #mayHold = false;
  /** Of types whose removals come last: up to which position of the log they age, and have aged. Names it never had are at 0. */
  #ageing = -1;
  #aged = -1;
  /** Names to answer at once: the client asked for them. */
  readonly #asked = new Set<string>();
  /** Names to be pushed. */
  readonly #changed = new Set<string>();
  /** How often names have changed, and how often they were gone then. */
  #changes = 0;
  #removals = 0;
  /** State of the world: what another view had, as long as it is not to be missed. */
  readonly #retained = new Map<string, Resource>();
  /** The client waits for the wildcard's first state. */
  #greeting = false;
  /** Up to which place of the log's resources with a TTL it was told that they are still good; undefined: it is not time. */
  #beatsTo: number | undefined;

  constructor(host: SubscriptionHost, type: TypeView) {
    this.#host = host;
    this.#type = type;
    this.typeUrl = type.log.typeUrl;
    this.#join();
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Of all names together. */
  get nameCharacters(): number {
    return this.#nameCharacters;
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  /** There is room for one more response. */
  get free(): boolean {
    return this.sent.unanswered < this.#host.maxInFlight;
  }

  /** Another number whenever something changes that the client asks for. */
  get changes(): number {
    return this.#wildcard ? this.log.head : this.#changes;
  }

  /** Of types whose removals come last: another number whenever something goes that the client asks for. */
  get removals(): number {
    if (!this.log.traits.removedLast) return 0;
    return this.#wildcard ? this.log.lastRemoval : this.#removals;
  }

  /** The client waits for an answer to what it asked for. */
  hasAnswers(): boolean {
    return this.#greeting || this.#asked.size > 0;
  }

  /** Something new is to be pushed. */
  hasUpserts(): boolean {
    const { lastUpsert, lastRemoval, traits } = this.log;
    if (this.#wildcard && (lastUpsert > this.#upsertsTo || (!traits.removedLast && lastRemoval > this.#removalsTo))) {
      return true;
    }
    if (!traits.removedLast) return this.#changed.size > 0;
    for (const name of this.#changed) if (this.log.live.has(name)) return true;
    return false;
  }

  /** Of types whose removals come last: something is gone, and does not age yet. */
  hasFreshRemovals(): boolean {
    return this.#hasGone(this.#ageing, this.log.head);
  }

  /** What is gone now ages until `endAgeing`: it is told then. */
  ageRemovals(): void {
    this.#ageing = this.log.head;
  }

  endAgeing(): void {
    this.#aged = this.#ageing;
  }

  /** Of types whose removals come last: something that is gone is to be told now. */
  hasRemovals(): boolean {
    return this.#hasGone(-1, this.#aged);
  }

  /** Removals that it was not told of are forgotten: only a new stream can tell what it has. */
  get tooFarBehind(): boolean {
    return this.#wildcard && this.#host.variant === 'delta' && this.#removalsTo < this.log.floor;
  }

  get removalsNeededAfter(): number {
    return this.#wildcard && this.#host.writable && this.free ? this.#removalsTo : Infinity;
  }

  covers(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  /** The names that are not asked for any more since the last call; undefined: the client asks for the same as then. */
  takeDropped(): readonly string[] | undefined {
    const dropped = this.#dropped;
    this.#dropped = undefined;
    return dropped;
  }

  /** All names that it asks for and that there are, or that it named. */
  *coveredNames(): Iterable<string> {
    if (this.#wildcard) yield* this.log.live.keys();
    for (const name of this.#names) if (!this.#wildcard || !this.log.live.has(name)) yield name;
  }

  /** Subscribes to all. `held`: how what the client has differs, where its first request of the type says it. */
  addWildcard(held?: Difference): void {
    if (this.#wildcard) {
      this.#greetAll(); // what is subscribed to again is sent again
      return;
    }
    this.#wildcard = true;
    this.#mayHold = held !== undefined;
    this.#dropped ??= [];
    this.#type.subscribeAll(this);
    this.#removalsTo = this.log.head;
    // What is gone may have been sent to whoever named it.
    for (const name of this.#changed) if (this.log.live.has(name)) this.#changed.delete(name);
    if (held) this.#differ(held);
    else this.#greetAll();
  }

  removeWildcard(): void {
    if (!this.#wildcard) return;
    this.#wildcard = false;
    this.#greeting = false;
    this.#type.unsubscribeAll(this);
    for (const set of [this.#asked, this.#changed]) {
      for (const name of set) if (!this.#names.has(name)) set.delete(name);
    }
    for (const name of this.#names) {
      const position = this.log.entry(name)?.position ?? 0;
      if (position > this.#upsertsTo) this.#changed.add(name);
    }
    this.#dropped ??= [];
    for (const name of this.log.live.keys()) if (!this.#names.has(name)) this.#dropped.push(name);
  }

  /**
   * Adds names, to be answered at once. `has`: whether the client has one in its version of now, and needn't be sent it; `had`:
   * whether it has one in another version, with which it goes on until it is sent this one in the order of types.
   */
  addNames(
    names: Iterable<string>,
    has: (name: string) => boolean = () => false,
    had: (name: string) => boolean = () => false,
  ): void {
    for (const each of names) {
      const name = this.log.entry(each)?.name ?? each; // streams share the string
      if (!this.#names.has(name)) {
        this.#dropped ??= [];
        this.#type.subscribe(name, this);
        this.#nameCharacters += name.length;
      }
      this.#names.add(name);
      if (had(name)) this.#changed.add(name);
      else if (!has(name)) this.#asked.add(name);
    }
  }

  /** Takes names out; unknown ones are passed over. */
  removeNames(names: Iterable<string>): void {
    for (const name of names) {
      if (!this.#names.delete(name)) continue;
      this.#nameCharacters -= name.length;
      this.#type.unsubscribe(name, this);
      this.#changed.delete(name);
      this.#asked.delete(name);
      this.#dropped ??= [];
      // It forgets the resource, which the wildcard still brings (rule 11).
      if (this.#wildcard) this.#asked.add(name);
      else this.#dropped.push(name);
    }
  }

  nameChanged(name: string): void {
    if (this.#wildcard) return;
    this.#changed.add(name);
    this.#changes += 1;
    if (!this.log.live.has(name)) this.#removals += 1;
  }

  wake(): void {
    this.#host.wake();
  }

  /** Sends a name again, as if it had changed; where all is to be sent that is enough. */
  push(name: string): void {
    const sendsAll = this.#wildcard && this.#upsertsTo === 0;
    if (this.covers(name) && !sendsAll) this.#changed.add(name);
  }

  close(): void {
    this.#leave();
  }

  /** Goes on with another view: what differs is to be pushed. */
  move(type: TypeView): void {
    const from = this.log;
    const at = { upserts: this.#upsertsTo, removals: this.#removalsTo };
    const pending = new Set(this.#changed);
    this.#leave();
    this.#type = type;
    this.#ageing = this.#aged = -1;
    this.#beatsTo = undefined;
    this.#join();
    const to = type.log;
    const change = (name: string): void => {
      this.#changed.add(name);
      const before = from.live.get(name) ?? from.entry(name)?.previous;
      if (this.#sendsWhole && before && !to.live.has(name)) this.#retained.set(name, before);
    };
    const renewed: string[] = [];
    for (const name of this.#names) {
      const differs = to.live.get(name)?.version !== from.live.get(name)?.version;
      if (differs) renewed.push(name);
      if (differs || pending.has(name)) change(name);
    }
    if (!this.#wildcard) {
      this.#forceCompanions(renewed);
      return;
    }
    this.#removalsTo = to.head;
    if (at.upserts === 0) {
      // All is sent yet, but nothing else tells a client that was sent this before, or has it of another stream, what is gone.
      this.#upsertsTo = 0;
      if (!this.#mayHold) return;
      const { upserts, removals } = differenceOfLogs(from, { ...at, upserts: from.head }, to);
      for (const name of removals) change(name);
      this.#forceCompanions(upserts);
      return;
    }
    this.#upsertsTo = to.head;
    this.#greeting = false;
    const { upserts, removals } = differenceOfLogs(from, at, to);
    for (const name of upserts) change(name);
    for (const name of removals) change(name);
    this.#forceCompanions(upserts);
  }

  /** Sends one response to what was asked for. */
  sendAnswer(): void {
    if (this.#greeting) {
      this.#sendGreeting();
      return;
    }
    if (this.#sendsWhole) {
      this.#asked.clear();
      this.#sendWhole();
      return;
    }
    const body = this.#take(this.#asked, () => true);
    if (body) this.#send(body);
  }

  /** Sends one response of what is new, and gives it; it may find that there is nothing to be sent. */
  sendUpserts(): Body | undefined {
    const { removedLast } = this.log.traits;
    if (this.#sendsWhole) return this.#sendWhole();
    const body =
      this.#nextOfLog(!removedLast) ??
      this.#take(this.#changed, (entry) => !removedLast || entry?.resource !== undefined);
    if (body) this.#send(body);
    return body;
  }

  /** Sends one response of what is gone. */
  sendRemovals(): void {
    if (this.#sendsWhole) {
      this.#sendWhole();
      return;
    }
    const body = this.#take(this.#changed, (entry) => goneAt(entry) <= this.#aged) ?? this.#nextRemovals();
    if (body) this.#send(body);
  }

  /** One that is not through with those of the last time goes on with them. */
  heartbeat(): void {
    if (this.#beatsTo !== undefined) return;
    this.#beatsTo = 0;
    this.#host.wake();
  }

  /** Only where all has been sent: what is not there can't be still good. */
  hasHeartbeats(): boolean {
    if (this.#beatsTo === undefined || this.hasAnswers() || this.hasUpserts()) return false;
    return this.#beatsTo > 0 || this.sent.unanswered === 0;
  }

  /** Sends one response of them, where there is one left. */
  sendHeartbeats(): void {
    const covers = this.#wildcard ? undefined : (name: string): boolean => this.#names.has(name);
    const beats = this.log.heartbeatsAfter(this.#beatsTo ?? 0, this.#host.encoding, covers);
    this.#beatsTo = beats?.upTo;
    if (beats) this.#send(beats.body);
  }

  get log(): TypeLog {
    return this.#type.log;
  }

  get #encoding(): Encoding {
    return this.log.encodingOf(this.#host.encoding);
  }

  /** Responses that hold all there is (rule 10). */
  get #sendsWhole(): boolean {
    return this.#host.variant === 'sotw' && this.log.traits.fullState;
  }

  /** Of types whose removals come last: something that went after one position, up to another, is to be told. */
  #hasGone(after: number, upTo: number): boolean {
    const { log } = this;
    if (!log.traits.removedLast || upTo <= after) return false;
    const from = Math.max(this.#removalsTo, after);
    if (this.#wildcard && log.removalsAfter(from, upTo).names.length > 0) return true;
    for (const name of this.#changed) {
      const position = goneAt(log.entry(name));
      if (position > after && position <= upTo) return true;
    }
    return false;
  }

  #send(body: Body, whole = false): void {
    this.#mayHold = true;
    this.sent.add(this.#host.send(body), body, whole);
  }

  #greetAll(): void {
    this.#greeting = true;
    this.#upsertsTo = 0;
  }

  /** The first state, in as many responses as it takes, or an empty one: the client waits for it. */
  #sendGreeting(): void {
    if (this.#sendsWhole) {
      this.#greeting = false;
      this.#asked.clear();
      this.#sendWhole();
      return;
    }
    const body = this.#nextOfLog(false) ?? this.log.body([], [], []);
    this.#greeting = this.log.lastUpsert > this.#upsertsTo;
    // All that there is was sent; only what there isn't is still to be told.
    if (!this.#greeting) for (const name of this.#asked) if (this.log.live.has(name)) this.#asked.delete(name);
    this.#send(body);
  }

  /** What follows in the log for the wildcard, with removals where they are told together. */
  #nextOfLog(withRemovals: boolean): Body | undefined {
    if (!this.#wildcard) return undefined;
    const from = this.#upsertsTo;
    const removalsFrom = this.#removalsTo;
    const encoding = this.#encoding;
    const batch = this.log.upsertsAfter(from, encoding);
    const upTo = batch?.upTo ?? this.log.head;
    const last = upTo >= this.log.lastUpsert;
    this.#upsertsTo = last ? this.log.head : upTo;
    const removed = withRemovals && last ? this.#removedOfLog() : [];
    if (batch === undefined && removed.length === 0) return undefined;
    const key = `${encoding} ${from} ${removed.length > 0 ? removalsFrom : ''}`;
    return this.#sharedBody(batch ? [batch.bytes] : [], batch?.resources ?? [], removed, key);
  }

  #take(names: Set<string>, wanted: (entry: Entry | undefined) => boolean): Body | undefined {
    return takeNames(this.log, names, wanted, this.#encoding);
  }

  #nextRemovals(): Body | undefined {
    const from = this.#removalsTo;
    const removed = this.#removedOfLog();
    return removed.length > 0 ? this.#sharedBody([], [], removed, `removed ${from} ${this.#removalsTo}`) : undefined;
  }

  #sharedBody(
    encoded: readonly Buffer[],
    resources: readonly Resource[],
    removed: readonly string[],
    key: string,
  ): Body {
    return this.log.shared(key, () => this.log.body(encoded, resources, removed));
  }

  /** The next names that the wildcard has to be told are gone; state of the world can't tell. */
  #removedOfLog(): readonly string[] {
    if (!this.#wildcard) return [];
    const last = this.log.traits.removedLast ? this.#aged : this.log.head;
    const { names, upTo } = this.log.removalsAfter(this.#removalsTo, last);
    this.#removalsTo = Math.max(this.#removalsTo, this.#host.variant === 'sotw' ? last : upTo);
    return this.#host.variant === 'sotw' ? [] : names;
  }

  /** All that is subscribed to, with what is gone but `retained` until others don't refer to it any more. */
  #sendWhole(): Body {
    const log = this.log;
    const gone = new Set<string>();
    const retained: Resource[] = [];
    if (log.traits.removedLast) {
      for (const name of this.#changed) if (!log.live.has(name) && goneAt(log.entry(name)) > this.#aged) gone.add(name);
      const from = Math.max(this.#removalsTo, this.#aged);
      if (this.#wildcard) for (const name of log.removalsAfter(from, log.head, Infinity).names) gone.add(name);
      for (const name of gone) {
        const resource = log.entry(name)?.previous ?? this.#retained.get(name);
        if (resource) retained.push(resource);
      }
    }
    this.#changed.clear();
    if (retained.length === 0) {
      this.#removalsTo = log.head;
      this.#retained.clear();
    } else {
      this.#removalsTo = Math.max(this.#removalsTo, this.#aged);
      if (!this.#wildcard || this.#retained.size > 0) for (const name of gone) this.#changed.add(name);
    }
    this.#upsertsTo = log.head;
    const body = this.#wildcard
      ? log.whole(this.#encoding, retained)
      : wholeOf(log, this.#names, this.#encoding, retained);
    this.#send(body, true);
    return body;
  }

  /** Brings a client that has something to the state of now. It waits for nothing, and is sent it in the order of types. */
  #differ({ upserts, removals }: Difference): void {
    // Most of it: what all streams are sent is cheaper than a choice for this one.
    const all = upserts.size > this.log.live.size / 2;
    this.#upsertsTo = all ? 0 : this.log.head;
    if (!all) for (const name of upserts) this.#changed.add(name);
    this.#forceCompanions(upserts);
    for (const name of removals) this.#changed.add(name);
  }

  #forceCompanions(names: Iterable<string>): void {
    for (const name of names) {
      const companion = this.log.live.get(name)?.companion;
      if (companion) this.#host.force(companion);
    }
  }

  #leave(): void {
    this.#type.drop();
    this.#type.stopBeating(this);
    this.#type.unsubscribeAll(this);
    for (const name of this.#names) this.#type.unsubscribe(name, this);
  }

  #join(): void {
    this.#type.use();
    if (this.#host.encoding.endsWith('-ttl')) this.#type.beat(this);
    if (this.#wildcard) this.#type.subscribeAll(this);
    for (const name of this.#names) this.#type.subscribe(name, this);
  }
}

/** When it went, as a position of the log; infinite where it is there. */
function goneAt(entry: Entry | undefined): number {
  return entry?.resource === undefined ? (entry?.position ?? 0) : Infinity;
}
