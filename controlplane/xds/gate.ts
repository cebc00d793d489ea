/** Holds later types back until earlier ones are answered (make before break, rule 7), but not for ever. */
import type { ResourceKey } from '../core/resource.ts';
import { compareTypes } from './types.ts';

/** What comes next on a stream, and what it waits for. */
export interface Next {
  /** What it is: it may be asked for again and again until it passes. */
  readonly what: string;
  /** Another number where it is not the same any more: it waits for what was sent before that, too. */
  readonly state: number;
  /** The number of the oldest response before it that is not answered; infinite where all are. */
  readonly unanswered: number;
  /** The number of the last response. */
  readonly last: number;
  /** The client is to ask for something that comes before it. */
  readonly awaits: boolean;
}

interface Held {
  state: number;
  /** What was sent up to this number has to be answered; undefined: that is not known yet. */
  upTo: number | undefined;
  readonly timer: NodeJS.Timeout;
}

export class Gate {
  readonly #timeoutMs: number;
  readonly #onOverdue: () => void;
  readonly #held = new Map<string, Held>();
  #overdue = false;
  /** By type, names that the client will ask for because of what it was sent, and until when that is waited for. */
  readonly #awaited = new Map<string, Map<string, number>>();

  /** `onOverdue` is called when something was held for `timeoutMs`: it passes from then on, until `open`. */
  constructor(timeoutMs: number, onOverdue: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onOverdue = onOverdue;
  }

  /**
   * Whether it may be sent: what was sent until it came is answered. What is sent while it waits, as endpoints that change all
   * the time, doesn't count.
   */
  passes({ what, state, unanswered, last, awaits }: Next): boolean {
    if (this.#overdue || (unanswered === Infinity && !awaits)) {
      this.#release(what);
      return true;
    }
    let held = this.#held.get(what);
    if (held === undefined) {
      held = { state, upTo: undefined, timer: setTimeout(() => this.#expire(), this.#timeoutMs).unref() };
      this.#held.set(what, held);
    }
    if (awaits || held.state !== state) held.upTo = undefined;
    held.state = state;
    if (awaits) return false;
    held.upTo ??= last;
    if (unanswered <= held.upTo) return false;
    this.#release(what);
    return true;
  }

  /** What is held is not what it was. */
  renew(): void {
    for (const held of this.#held.values()) held.upTo = undefined;
  }

  /** Nothing is held any more. */
  open(): void {
    for (const what of this.#held.keys()) this.#release(what);
    this.#overdue = false;
  }

  #release(what: string): void {
    clearTimeout(this.#held.get(what)?.timer);
    this.#held.delete(what);
  }

  #expire(): void {
    this.#overdue = true;
    this.#onOverdue();
  }

  /** The client will ask for this. */
  await({ typeUrl, name }: ResourceKey): void {
    const names = this.#awaited.get(typeUrl) ?? new Map<string, number>();
    this.#awaited.set(typeUrl, names.set(name, performance.now() + this.#timeoutMs));
  }

  /** It has asked. */
  arrived(typeUrl: string, name: string): void {
    const names = this.#awaited.get(typeUrl);
    if (names?.delete(name) && names.size === 0) this.#awaited.delete(typeUrl);
  }

  /** It has asked for all of a type. */
  arrivedAll(typeUrl: string): void {
    this.#awaited.delete(typeUrl);
  }

  /** It has not asked for something of a type that comes before this one. */
  awaitsBefore(typeUrl: string): boolean {
    for (const [awaited, names] of this.#awaited) {
      if (compareTypes(awaited, typeUrl) < 0 && this.#isAwaited(awaited, names)) return true;
    }
    return false;
  }

  /** It has not asked for something. */
  get awaits(): boolean {
    for (const [awaited, names] of this.#awaited) if (this.#isAwaited(awaited, names)) return true;
    return false;
  }

  #isAwaited(typeUrl: string, names: Map<string, number>): boolean {
    const now = performance.now();
    for (const [name, until] of names) if (until <= now) names.delete(name);
    if (names.size === 0) this.#awaited.delete(typeUrl);
    return names.size > 0;
  }
}
