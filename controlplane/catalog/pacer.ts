/** Gathers changes for a moment, so that a storm of them costs few pushes: endpoints wait less than configuration. */
import type { Translated, Translation } from '../model/translated.ts';
import { ENDPOINTS } from '../model/resource-types.ts';

export interface PacerOptions {
  readonly apply: (translation: Pick<Translation, 'upsert' | 'remove'>) => Promise<void>;
  /** What is there now of an input. */
  readonly current: (id: string) => Translated | undefined;
  /** Quiet that is waited for where only endpoints change, in ms; 10 when absent. */
  readonly endpointsQuietMs?: number;
  /** The same where anything else changes; 100 when absent. */
  readonly configurationQuietMs?: number;
  /** The most that a change waits, in ms; 1,000 when absent. */
  readonly longestMs?: number;
}

export class Pacer {
  /** The store's revision that the views have reached. */
  revision = -1;
  private readonly options: PacerOptions;
  private readonly upsert = new Map<string, Translated>();
  private readonly remove = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  /** One after the other. */
  private applying: Promise<void> | undefined;
  private pendingRevision = -1;
  private deadline = 0;
  private due = 0;

  constructor(options: PacerOptions) {
    this.options = options;
  }

  /** Takes a change that came with a revision of the store. */
  take({ upsert, remove }: Pick<Translation, 'upsert' | 'remove'>, revision: number): void {
    this.pendingRevision = Math.max(this.pendingRevision, revision);
    if (upsert.length === 0 && remove.length === 0) {
      if (this.timer === undefined && this.applying === undefined) this.revision = this.pendingRevision;
      return;
    }
    const urgent = remove.length === 0 && upsert.every((each) => this.isEndpoints(each));
    for (const id of remove) {
      this.upsert.delete(id);
      this.remove.add(id);
    }
    for (const translated of upsert) {
      this.remove.delete(translated.id);
      this.upsert.set(translated.id, translated);
    }
    this.schedule(urgent ? (this.options.endpointsQuietMs ?? 10) : (this.options.configurationQuietMs ?? 100));
  }

  /** Applies what was gathered now, after what is being applied. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.applying) await this.applying;
    const translation = { upsert: [...this.upsert.values()], remove: [...this.remove] };
    this.upsert.clear();
    this.remove.clear();
    const revision = this.pendingRevision;
    this.applying = this.options.apply(translation).finally(() => {
      this.applying = undefined;
      this.revision = revision;
    });
    await this.applying;
  }

  /** Resolves when nothing is being applied any more. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    while (this.applying) await this.applying;
  }

  private schedule(quiet: number): void {
    const now = performance.now();
    const waiting = this.timer !== undefined;
    if (!waiting) this.deadline = now + (this.options.longestMs ?? 1000);
    clearTimeout(this.timer);
    // Endpoints take configuration that was waiting along only when its time has come.
    this.due = Math.min(this.deadline, waiting ? Math.max(this.due, now + quiet) : now + quiet);
    this.timer = setTimeout(() => void this.flush(), Math.max(0, this.due - now));
  }

  /** Whether only endpoints of it are different from what is there. */
  private isEndpoints(next: Translated): boolean {
    const before = this.upsert.get(next.id) ?? this.options.current(next.id);
    if (before && (before.audienceKey !== next.audienceKey || before.resources.length > next.resources.length)) {
      return false; // others get it, or lose something
    }
    const changed = next.resources.filter((resource, index) => before?.resources[index]?.version !== resource.version);
    return changed.every(({ typeUrl }) => ENDPOINTS.has(typeUrl));
  }
}
