/** Work that is done again as often as something changes, but takes a bounded share of the processor. */
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import { workDurations } from './runtime/work-durations.ts';

/** The pause after work is so many times as long as the work was. */
const SHARE = 5;

export interface PaceOptions {
  /** The least pause before work, in ms: changes come together. */
  readonly quiet: number;
  readonly work: () => Promise<void> | void;
  readonly onError: (error: unknown) => void;
}

export class Pace implements WorkFigures {
  /** Times that work failed. */
  failed = 0;
  readonly durations = workDurations();
  readonly #options: PaceOptions;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> | undefined;
  #isAsked = false;
  #isClosed = false;
  /** Before it nothing is done, by `performance.now()`. */
  #rest = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** 1 where work is asked for that is not begun. */
  get length(): number {
    return this.#isAsked ? 1 : 0;
  }

  /** The work is to be done, soon, and after what is under way. */
  ask(): void {
    if (this.#isClosed) return;
    this.#isAsked = true;
    if (this.#busy || this.#timer) return;
    const wait = Math.max(this.#options.quiet, this.#rest - performance.now());
    this.#timer = setTimeout(() => this.#begin(), wait);
  }

  /** Resolves when what is under way is done; nothing is begun any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#busy;
  }

  #begin(): void {
    this.#timer = undefined;
    this.#isAsked = false;
    // Not at once: who asks while it is done has to find it under way.
    this.#busy = Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    const start = performance.now();
    try {
      await this.#options.work();
    } catch (error) {
      this.failed += 1;
      this.#options.onError(error);
    }
    const now = performance.now();
    this.durations.add(now - start);
    this.#rest = now + SHARE * (now - start);
    this.#busy = undefined;
    if (this.#isAsked) this.ask();
  }
}
