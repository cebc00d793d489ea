/** Work by key: a key is worked on once at a time, and once more if it was added meanwhile; failures wait longer each time. */
import { setMaxListeners } from 'node:events';
import { backoff } from '../../../common/backoff.ts';
import { TokenBucket } from '../../../common/token-bucket.ts';
import type { WorkFigures } from '../../core/kubernetes-figures.ts';
import { workDurations } from './work-durations.ts';

export interface WorkQueueOptions {
  /** Where it fails, the key is worked on again later. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Hears of each failure; `failures` in a row. */
  readonly onFailure?: (key: string, error: unknown, failures: number) => void;
  /** Keys that are worked on at once. 1 when absent. */
  readonly concurrency?: number;
  /** Of all keys together, after a first burst of as many. Absent: no limit. */
  readonly perSecond?: number;
  /** The pause after a key's first failure, and the longest, in ms. 100 and 60,000 when absent. */
  readonly firstRetryMs?: number;
  readonly lastRetryMs?: number;
}

/** Holds each key once, so that it is never longer than there are keys. */
export class WorkQueue implements WorkFigures {
  /** Times that work failed. */
  failed = 0;
  readonly durations = workDurations();
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  /** Those that are worked on; true: and once more. */
  readonly #working = new Map<string, boolean>();
  readonly #failures = new Map<string, number>();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  readonly #idle = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #bucket: TokenBucket | undefined;
  #refill: NodeJS.Timeout | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal); // whatever the concurrency
    if (options.perSecond !== undefined) this.#bucket = new TokenBucket(options.perSecond);
  }

  /** Keys that wait, also for another try. */
  get length(): number {
    return this.#waiting.size + this.#retries.size;
  }

  /** As soon as there is room; a key that waits for another try doesn't any more. */
  add(key: string): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelRetry(key);
    if (this.#working.has(key)) this.#working.set(key, true);
    else this.#waiting.add(key);
    this.#pump();
  }

  /** It is not waited for; what runs ends by itself. */
  drop(key: string): void {
    this.#cancelRetry(key);
    this.#waiting.delete(key);
    if (this.#working.has(key)) this.#working.set(key, false);
    this.#failures.delete(key);
  }

  /** Resolves once nothing waits or runs. */
  idle(): Promise<void> {
    if (this.length === 0 && this.#working.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  /** What waits is dropped, what runs is told by its signal, and waited for. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#refill);
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    this.#waiting.clear();
    await Promise.all(this.#running);
    this.#tellIdle();
  }

  #pump(): void {
    const { concurrency = 1 } = this.#options;
    for (const key of this.#waiting) {
      if (this.#working.size >= concurrency || !this.#takeToken()) return;
      this.#waiting.delete(key);
      this.#working.set(key, false);
      const running = this.#work(key);
      this.#running.add(running);
      void running.then(() => this.#running.delete(running));
    }
  }

  async #work(key: string): Promise<void> {
    const { work, onFailure } = this.#options;
    const { signal } = this.#closing;
    let failed = false;
    const start = performance.now();
    try {
      await work(key, signal);
      this.#failures.delete(key);
    } catch (error) {
      failed = true;
      this.failed += 1;
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (!signal.aborted) onFailure?.(key, error, failures);
    }
    this.durations.add(performance.now() - start);
    const again = this.#working.get(key);
    this.#working.delete(key);
    if (signal.aborted) return;
    if (failed) this.#retryLater(key);
    else if (again === true) this.#waiting.add(key);
    this.#pump();
    this.#tellIdle();
  }

  #retryLater(key: string): void {
    const failures = this.#failures.get(key);
    if (failures === undefined) return; // it was dropped meanwhile
    const { firstRetryMs = 100, lastRetryMs = 60_000 } = this.#options;
    const delay = backoff(failures, { base: firstRetryMs, cap: lastRetryMs }, 0.5);
    const timer = setTimeout(() => this.add(key), delay);
    this.#retries.set(key, timer);
  }

  #cancelRetry(key: string): void {
    clearTimeout(this.#retries.get(key));
    this.#retries.delete(key);
  }

  /** Where there is none, the queue goes on once there is. */
  #takeToken(): boolean {
    const bucket = this.#bucket;
    if (bucket === undefined || bucket.take()) return true;
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      this.#pump();
    }, Math.ceil(bucket.wait()));
    return false;
  }

  #tellIdle(): void {
    if (this.length > 0 || this.#working.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }
}
