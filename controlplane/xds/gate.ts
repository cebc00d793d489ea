/** Holds later types back until earlier ones are answered (make before break, rule 7), but not for ever. */
import type { ResourceKey } from '../core/resource.ts';
import { compareTypes } from './types.ts';

export class Gate {
  readonly #timeoutMs: number;
  readonly #onOverdue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #overdue = false;
  /** By type, names that the client will ask for because of what it was sent, and until when that is waited for. */
  readonly #awaited = new Map<string, Map<string, number>>();

  /** `onOverdue` is called when something was held for `timeoutMs`: it passes from then on, until `open`. */
  constructor(timeoutMs: number, onOverdue: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onOverdue = onOverdue;
  }

  /** Whether what comes next may be sent. `settled`: all before it is answered. */
  passes(settled: boolean): boolean {
    if (settled || this.#overdue) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#overdue = true;
      this.#onOverdue();
    }, this.#timeoutMs).unref();
    return false;
  }

  /** Nothing is held any more. */
  open(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#overdue = false;
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
