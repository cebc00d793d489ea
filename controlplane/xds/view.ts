/** The resources of all proxies that see the same, and who is told of their changes. */
import type { View } from '../core/catalog.ts';
import type { Resource, ResourceDelta } from '../core/resource.ts';
import { TypeLog } from './type-log.ts';

/** Whoever is subscribed to resources of one type. */
export interface Subscriber {
  /** Where it is subscribed to all and keeps up: the position after which removals are yet to be told to it. Infinite elsewhere. */
  readonly removalsNeededAfter: number;
  /** A resource that it named is new, has changed, or is gone. */
  nameChanged(name: string): void;
  /** Something changed that it may want. */
  wake(): void;
  /** Time to say that resources with a TTL are still good; only for those that asked for it. */
  heartbeat(): void;
}

/** Heartbeats come so often within the shortest TTL: one that is late or lost harms nobody. */
const HEARTBEATS = 3;
const LEAST_INTERVAL_MS = 100;

/** One type in a view. */
export class TypeView {
  readonly log: TypeLog;
  readonly #all = new Set<Subscriber>();
  readonly #named = new Map<string, Set<Subscriber>>();
  readonly #beating = new Set<Subscriber>();
  readonly #onUnused: () => void;
  #users = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the next heartbeat is due, of the monotonic clock in ms; infinite without a timer. */
  #due = Infinity;

  /** `onUnused`: nobody uses it any more, and there was never anything of it. */
  constructor(typeUrl: string, onUnused: () => void = () => {}) {
    this.#onUnused = onUnused;
    this.log = new TypeLog(typeUrl, () => {
      let after = Infinity;
      for (const { removalsNeededAfter } of this.#all) after = Math.min(after, removalsNeededAfter);
      return after;
    });
  }

  /** Somebody has it who may subscribe, from now until `drop`. */
  use(): void {
    this.#users += 1;
  }

  drop(): void {
    this.#users -= 1;
    if (this.#users === 0 && this.log.head === 0) this.#onUnused();
  }

  subscribeAll(subscriber: Subscriber): void {
    this.#all.add(subscriber);
  }

  unsubscribeAll(subscriber: Subscriber): void {
    this.#all.delete(subscriber);
  }

  subscribe(name: string, subscriber: Subscriber): void {
    const subscribers = this.#named.get(name);
    if (subscribers) subscribers.add(subscriber);
    else this.#named.set(name, new Set([subscriber]));
  }

  unsubscribe(name: string, subscriber: Subscriber): void {
    const subscribers = this.#named.get(name);
    if (subscribers === undefined) return;
    subscribers.delete(subscriber);
    if (subscribers.size === 0) this.#named.delete(name);
  }

  /** Heartbeats, from now until `stopBeating`. */
  beat(subscriber: Subscriber): void {
    this.#beating.add(subscriber);
    this.schedule();
  }

  stopBeating(subscriber: Subscriber): void {
    this.#beating.delete(subscriber);
    this.schedule();
  }

  /** Tells those who are subscribed to one of the names, or to all. */
  tell(names: Iterable<string>): void {
    for (const name of names) {
      for (const subscriber of this.#named.get(name) ?? []) {
        subscriber.nameChanged(name);
        subscriber.wake();
      }
    }
    for (const subscriber of this.#all) subscriber.wake();
  }

  /** Heartbeats are timed by the shortest TTL of now. What changes may bring the next one forward, and never puts it off. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#beating.size === 0 || this.log.ttls.size === 0) {
      this.#due = Infinity;
      return;
    }
    let shortestMs = Infinity;
    for (const ttlMs of this.log.ttls.values()) shortestMs = Math.min(shortestMs, ttlMs);
    const now = performance.now();
    this.#due = Math.min(this.#due, now + Math.max(LEAST_INTERVAL_MS, shortestMs / HEARTBEATS));
    this.#timer = setTimeout(
      () => {
        this.#due = Infinity;
        for (const subscriber of this.#beating) subscriber.heartbeat();
        this.schedule();
      },
      Math.max(0, this.#due - now),
    ).unref();
  }
}

export class ServedView implements View {
  readonly #types = new Map<string, TypeView>();

  resources(typeUrl: string): ReadonlyMap<string, Resource> {
    return this.#types.get(typeUrl)?.log.live ?? new Map<string, Resource>();
  }

  /** A type, empty where nothing of it was ever applied: then it is kept for as long as it is used. */
  type(typeUrl: string): TypeView {
    let type = this.#types.get(typeUrl);
    if (type === undefined) {
      type = new TypeView(typeUrl, () => this.#types.delete(typeUrl));
      this.#types.set(typeUrl, type);
    }
    return type;
  }

  apply({ upsert, remove }: ResourceDelta): void {
    const changed = new Map<TypeView, Set<string>>();
    const note = (type: TypeView, name: string): void => {
      const names = changed.get(type);
      if (names) names.add(name);
      else changed.set(type, new Set([name]));
    };
    const put = upsert.filter((resource) => {
      const type = this.type(resource.typeUrl);
      if (!type.log.put(resource)) return false;
      note(type, resource.name);
      return true;
    });
    for (const { typeUrl, name } of remove) {
      const type = this.type(typeUrl);
      if (type.log.remove(name)) note(type, name);
    }
    // Who uses what has changed waits for its companion, changed or not (rule 8).
    for (const { companion } of put) {
      if (companion === undefined) continue;
      const type = this.type(companion.typeUrl);
      if (changed.get(type)?.has(companion.name)) continue;
      if (type.log.touch(companion.name)) note(type, companion.name);
    }
    for (const [type, names] of changed) {
      type.tell(names);
      type.schedule();
    }
  }
}

/** An empty view. */
export function createView(): View {
  return new ServedView();
}
