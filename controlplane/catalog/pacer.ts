/** Gathers changes for a moment, so that a storm of them costs few pushes: endpoints wait less than configuration. */
import type { Logger } from '../../common/log.ts';
import type { Translated, Translation } from '../model/translated.ts';
import { particularsOf } from '../model/resource-types.ts';

type Pending = Pick<Translation, 'upsert' | 'remove'>;

export interface PacerOptions {
  /** Where it fails it is called again with the same, and with what came since then. */
  readonly apply: (translation: Pending) => Promise<void>;
  readonly log: Logger;
  /** What is there now of an input. */
  readonly current: (id: string) => Translated | undefined;
  /** Quiet that is waited for where only endpoints change, in ms; 10 when absent. */
  readonly endpointsQuietMs?: number;
  /** The same where anything else changes; 100 when absent. */
  readonly configurationQuietMs?: number;
  /** The most that a change waits, in ms; 1,000 when absent. */
  readonly longestMs?: number;
  /** What failed is tried again after so long, in ms; 1,000 when absent. */
  readonly retryMs?: number;
}

/** Changes that wait together. */
class Queue {
  readonly upsert = new Map<string, Translated>();
  readonly remove = new Set<string>();
  private readonly flush: () => void;
  private timer: NodeJS.Timeout | undefined;
  private deadline = 0;
  private due = 0;

  constructor(flush: () => void) {
    this.flush = flush;
  }

  get waits(): boolean {
    return this.upsert.size > 0 || this.remove.size > 0;
  }

  /** Whether something waits of an input. */
  has(id: string): boolean {
    return this.upsert.has(id) || this.remove.has(id);
  }

  /** Flushes after some quiet, and at most so long after the first change. */
  schedule(quietMs: number, longestMs: number): void {
    const now = performance.now();
    if (this.timer === undefined) [this.deadline, this.due] = [now + longestMs, now];
    clearTimeout(this.timer);
    this.due = Math.min(this.deadline, Math.max(this.due, now + quietMs));
    this.timer = setTimeout(this.flush, Math.max(0, this.due - now));
  }

  /** Empties it. */
  take(): Pending {
    this.stop();
    const taken = { upsert: [...this.upsert.values()], remove: [...this.remove] };
    this.upsert.clear();
    this.remove.clear();
    return taken;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

export class Pacer {
  /** The store's revision that the views have reached. */
  revision = -1;
  /** Times that a change could not be applied. */
  failures = 0;
  private readonly options: PacerOptions;
  /** Changes of nothing but endpoints, of inputs of which nothing else waits. */
  private readonly endpoints = new Queue(() => void this.flushEndpoints().catch(() => undefined));
  private readonly configuration = new Queue(() => void this.flush().catch(() => undefined));
  /** One after the other. Never rejects. */
  private applying: Promise<void> | undefined;
  private failed = false;
  private closed = false;
  private pendingRevision = -1;

  constructor(options: PacerOptions) {
    this.options = options;
  }

  /** Takes a change that came with a revision of the store. */
  take({ upsert, remove }: Pending, revision: number): void {
    this.pendingRevision = Math.max(this.pendingRevision, revision);
    if (upsert.length === 0 && remove.length === 0) {
      const idle = !this.endpoints.waits && !this.configuration.waits && this.applying === undefined;
      if (idle) this.revision = this.pendingRevision;
      return;
    }
    const { endpointsQuietMs = 10, configurationQuietMs = 100, longestMs = 1000 } = this.options;
    const onlyEndpoints = remove.length === 0 && upsert.every((each) => this.isEndpoints(each));
    const alone = onlyEndpoints && !upsert.some(({ id }) => this.configuration.has(id));
    const queue = alone ? this.endpoints : this.configuration;
    for (const id of remove) {
      this.endpoints.upsert.delete(id);
      queue.upsert.delete(id);
      queue.remove.add(id);
    }
    for (const translated of upsert) {
      this.endpoints.upsert.delete(translated.id);
      queue.remove.delete(translated.id);
      queue.upsert.set(translated.id, translated);
    }
    queue.schedule(onlyEndpoints ? endpointsQuietMs : configurationQuietMs, longestMs);
  }

  /** Applies what was gathered now, after what is being applied. Rejects where it fails: it is tried again then. */
  async flush(): Promise<void> {
    this.endpoints.stop();
    this.configuration.stop();
    while (this.applying) await this.applying;
    const { upsert } = this.endpoints.take();
    const rest = this.configuration.take();
    await this.apply({ upsert: [...upsert, ...rest.upsert], remove: rest.remove }, this.pendingRevision);
  }

  /** Resolves when nothing is being applied any more. */
  async close(): Promise<void> {
    this.closed = true;
    this.endpoints.stop();
    this.configuration.stop();
    while (this.applying) await this.applying;
  }

  private async flushEndpoints(): Promise<void> {
    this.endpoints.stop();
    while (this.applying) await this.applying;
    // The views have not reached a revision as long as configuration that came before it waits.
    const revision = this.configuration.waits ? this.revision : this.pendingRevision;
    await this.apply(this.endpoints.take(), revision);
  }

  private async apply(translation: Pending, revision: number): Promise<void> {
    const { apply, log } = this.options;
    const applied = apply(translation);
    this.applying = applied.catch(() => undefined).finally(() => (this.applying = undefined));
    try {
      await applied;
    } catch (error) {
      this.takeBack(translation, error);
      throw error;
    }
    if (this.failed) log.info({}, 'proxies get changes again');
    this.failed = false;
    // What came meanwhile, and has nothing that waits, had nothing to apply.
    this.revision = this.endpoints.waits || this.configuration.waits ? revision : this.pendingRevision;
  }

  /** What has nothing newer that waits, waits again. */
  private takeBack({ upsert, remove }: Pending, error: unknown): void {
    const { log, retryMs = 1000 } = this.options;
    this.failures++;
    // The stack, as this is no fault of a configuration.
    const fields = { error: error instanceof Error ? error.stack : String(error), retry_ms: retryMs };
    if (!this.failed) log.error(fields, 'a change could not be brought to the proxies; it is tried again');
    this.failed = true;
    const isNewer = (id: string): boolean => this.endpoints.has(id) || this.configuration.has(id);
    for (const each of upsert) if (!isNewer(each.id)) this.configuration.upsert.set(each.id, each);
    for (const id of remove) if (!isNewer(id)) this.configuration.remove.add(id);
    if (!this.closed) this.configuration.schedule(retryMs, retryMs);
  }

  /** Whether only endpoints of it are different from what is there. */
  private isEndpoints(next: Translated): boolean {
    const before =
      this.configuration.upsert.get(next.id) ?? this.endpoints.upsert.get(next.id) ?? this.options.current(next.id);
    if (before && (before.audienceKey !== next.audienceKey || before.resources.length > next.resources.length)) {
      return false; // others get it, or lose something
    }
    const changed = next.resources.filter((resource, index) => before?.resources[index]?.version !== resource.version);
    return changed.every(({ typeUrl }) => particularsOf(typeUrl).endpoints);
  }
}
