/** The store of one process: all in memory, and every acknowledged write in a file on the disk. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../../common/log.ts';
import {
  type Condition,
  type Entry,
  type Listing,
  type Operation,
  type Outcome,
  type Store,
  type StoreChange,
  StoreError,
} from '../../core/store.ts';
import { bytesOf, checkEntries, checkTransaction } from '../limits.ts';
import { Sleepers } from '../sleepers.ts';
import { Slices } from '../../../common/slices.ts';
import { isOver } from '../../../common/signal.ts';
import { changesUnder, type HistoryLimits } from '../memory/history.ts';
import { lockDirectory } from './lock.ts';
import { LogFile } from './log-file.ts';
import { changeOf, failedConditions, Overlay, type Planner, replacement } from '../memory/plan.ts';
import { type Plan, type Write, WriteQueue } from './queue.ts';
import { encodeRecord, type FileRecord } from './records.ts';
import { loadState, State } from './state.ts';

export interface EmbeddedOptions {
  /** What is kept for watches. */
  readonly history: HistoryLimits;
  /** What keys and values may take, in bytes. */
  readonly quotaBytes: number;
  /** What the file may be beyond twice of what is needed, in bytes, before it is rewritten. */
  readonly slackBytes: number;
}

const MIB = 1024 * 1024;

export const EMBEDDED_DEFAULTS: EmbeddedOptions = {
  history: { changes: 10_000, ageMs: 24 * 3600_000, bytes: 64 * MIB },
  quotaBytes: 512 * MIB,
  slackBytes: 16 * MIB,
};

/**
 * Opens the store in a directory, and makes it where there is none.
 *
 * @throws StoreError `LOCKED`, `CORRUPT`, `FULL`, `UNAVAILABLE`.
 */
export async function openEmbedded(
  directory: string,
  log: Logger,
  options: EmbeddedOptions = EMBEDDED_DEFAULTS,
): Promise<Store> {
  const unlock = lockDirectory(directory);
  try {
    const path = join(directory, 'store.log');
    await rm(`${path}.new`, { force: true });
    if (existsSync(path)) {
      const { state, size } = loadState(path, options.history);
      return new EmbeddedStore(path, unlock, log, options, state, await LogFile.open(path, size));
    }
    const state = new State(options.history);
    const file = await LogFile.create(`${path}.new`, state.records());
    try {
      await file.moveTo(path);
    } catch (error) {
      await file.discard();
      throw error;
    }
    return new EmbeddedStore(path, unlock, log, options, state, file);
  } catch (error) {
    unlock();
    if (error instanceof StoreError) throw error;
    throw new StoreError('UNAVAILABLE', `can't open the store in ${directory}: ${(error as Error).message}`, error);
  }
}

class EmbeddedStore implements Store {
  readonly #path: string;
  readonly #unlock: () => void;
  readonly #log: Logger;
  readonly #options: EmbeddedOptions;
  readonly #state: State;
  readonly #queue = new WriteQueue();
  /** Whoever waits for a change or for the end. */
  readonly #sleepers = new Sleepers();
  #file: LogFile;
  #working: Promise<void> | undefined;
  #rewriting: Promise<void> | undefined;
  /** A new file that has all of the present one up to `from`. */
  #rewritten: { readonly file: LogFile; readonly from: number } | undefined;
  /** The size of the file at which it is rewritten at the earliest: after that failed. */
  #rewriteFrom = 0;
  #closed: Promise<void> | undefined;

  constructor(path: string, unlock: () => void, log: Logger, options: EmbeddedOptions, state: State, file: LogFile) {
    this.#path = path;
    this.#unlock = unlock;
    this.#log = log;
    this.#options = options;
    this.#state = state;
    this.#file = file;
  }

  revision(): Promise<number> {
    return this.#read(() => this.#state.revision);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read(() => this.#state.entries.get(key));
  }

  list(prefix: string): Promise<Listing> {
    return this.#read(() => ({ entries: this.#state.entries.list(prefix), revision: this.#state.revision }));
  }

  async transact(conditions: readonly Condition[], operations: readonly Operation[]): Promise<Outcome> {
    checkTransaction(conditions, operations);
    // The caller may use its buffers again.
    const own = operations.map((each) => (each.type === 'put' ? { ...each, value: Buffer.from(each.value) } : each));
    return await this.#write<Outcome>(bytesOf(operations), (planner) => {
      const failed = failedConditions(planner, conditions);
      if (failed.length > 0) return { result: { ok: false, revision: planner.revision, failed } };
      const change = changeOf(planner, own);
      if (!change) return { result: { ok: true, revision: planner.revision } };
      return { result: { ok: true, revision: change.revision }, record: { kind: 'change', change } };
    });
  }

  async replace(entries: readonly Pick<Entry, 'key' | 'value'>[]): Promise<number> {
    checkEntries(entries);
    const own = entries.map(({ key, value }) => ({ key, value: Buffer.from(value) }));
    return await this.#write<number>(bytesOf(own), (planner) => {
      const change = changeOf(planner, replacement(planner, own));
      if (!change) return { result: planner.revision };
      return { result: change.revision, record: { kind: 'change', change } };
    });
  }

  async compact(revision: number): Promise<void> {
    await this.#write(0, (planner) => {
      const upTo = Math.min(revision, planner.revision);
      return { result: undefined, record: { kind: 'compact', revision: upTo } };
    });
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncGenerator<StoreChange> {
    let seen = revision;
    while (!signal.aborted) {
      this.#check();
      const { history } = this.#state;
      if (seen < history.compacted) {
        const kept = `they are kept after ${history.compacted}`;
        throw new StoreError('COMPACTED', `changes after revision ${seen} are not kept any more, ${kept}: list again`);
      }
      const change = history.after(seen);
      if (!change) {
        await this.#sleepers.sleep(signal);
        continue;
      }
      seen = change.revision;
      const events = changesUnder(prefix, change.events);
      if (events.length > 0) yield { revision: seen, events };
    }
  }

  async lead(_name: string, onChange: (leads: boolean) => void, signal: AbortSignal): Promise<void> {
    this.#check();
    if (signal.aborted) return;
    onChange(true);
    while (!isOver(signal) && !this.#closed) await this.#sleepers.sleep(signal);
    onChange(false);
  }

  /** Writes that wait are made before. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#sleepers.wake();
    try {
      await this.#working;
      // A file that is being rewritten gives the worker its last task.
      await this.#rewriting;
      await this.#working;
      await this.#file.close();
    } finally {
      this.#unlock();
    }
  }

  #check(): void {
    if (this.#closed) throw new StoreError('CLOSED', 'the store is closed');
  }

  #read<T>(read: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#check();
      resolve(read());
    });
  }

  #write<T>(bytes: number, plan: (planner: Planner) => { result: T; record?: FileRecord }): Promise<T> {
    this.#check();
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        bytes,
        reject,
        plan: (planner) => {
          const { result, record } = plan(planner);
          return { settle: () => resolve(result), ...(record && { record }) };
        },
      });
      this.#work();
    });
  }

  /** Has the worker run where it does not. It never fails: whoever waits is told. */
  #work(): void {
    this.#working ??= (async () => {
      // Those that come in the same turn share the first flush too.
      await Promise.resolve();
      while (!this.#queue.isEmpty || this.#rewritten) {
        if (this.#rewritten) await this.#swap(this.#rewritten);
        await this.#commitAll(this.#queue.take());
        this.#rewriteWhenLarge();
      }
      this.#working = undefined;
    })();
  }

  /** A group fails as a whole: then each is made by itself, as a smaller one may have room, or another outcome. */
  async #commitAll(writes: readonly Write[]): Promise<void> {
    try {
      await this.#commit(writes);
    } catch (error) {
      if (writes.length === 1) return writes[0]?.reject(error);
      for (const write of writes) await this.#commit([write]).catch(write.reject);
    }
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    const overlay = new Overlay(this.#state, this.#options.quotaBytes);
    const plans: Plan[] = [];
    const refused: (() => void)[] = [];
    const slices = new Slices();
    for (const write of writes) {
      if (slices.isOver) await slices.next();
      try {
        const plan = write.plan(overlay);
        if (plan.record?.kind === 'change') overlay.add(plan.record.change);
        plans.push(plan);
      } catch (error) {
        refused.push(() => write.reject(error));
      }
    }
    const records = plans.flatMap(({ record }) => (record ? [record] : []));
    const encoded: Buffer[][] = [];
    for (const record of records) {
      if (slices.isOver) await slices.next();
      encoded.push(encodeRecord(record));
    }
    if (slices.isOver) await slices.next();
    if (encoded.length > 0) await this.#file.append(encoded.flat());
    for (const record of records) {
      if (record.kind === 'change') this.#state.apply(record.change);
      else if (record.kind === 'compact') this.#state.history.compact(record.revision);
    }
    for (const { settle } of plans) settle();
    for (const refuse of refused) refuse();
    this.#sleepers.wake();
  }

  /** Endless changes of the same keys must not fill the disk. Writes go on while a new file is made. */
  #rewriteWhenLarge(): void {
    const { entries, history } = this.#state;
    const limit = 2 * (entries.bytes + history.bytes) + this.#options.slackBytes;
    if (this.#rewriting || this.#closed || this.#file.size <= Math.max(limit, this.#rewriteFrom)) return;
    const from = this.#file.size;
    this.#rewriting = LogFile.create(`${this.#path}.new`, this.#state.records()).then(
      (file) => {
        this.#rewritten = { file, from };
        this.#work();
      },
      (error: unknown) => this.#rewriteFailed(error),
    );
  }

  async #swap({ file, from }: { readonly file: LogFile; readonly from: number }): Promise<void> {
    this.#rewritten = undefined;
    try {
      await file.appendFrom(this.#file, from);
      await file.moveTo(this.#path);
    } catch (error) {
      await file.discard();
      this.#rewriteFailed(error);
      return;
    }
    const old = this.#file;
    this.#file = file;
    this.#rewriting = undefined;
    await old.close().catch((error: unknown) => this.#log.warn({ error: String(error) }, 'the old file of the store'));
  }

  #rewriteFailed(error: unknown): void {
    this.#rewriting = undefined;
    this.#rewriteFrom = this.#file.size + this.#options.slackBytes;
    this.#log.warn({ error: (error as Error).message }, 'the store could not be rewritten smaller: later again');
  }
}
