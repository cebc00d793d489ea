/** Gathers changes for a moment, so that a storm of them costs few pushes: endpoints wait less than configuration. */
import type { Translated, Translation } from '../model/translated.ts';
import { typeUrlOf } from '../../config/wire-kinds.ts';

export interface PacerOptions {
  readonly apply: (translation: Pick<Translation, 'upsert' | 'remove'>) => void;
  /** What is there now of an input. */
  readonly current: (id: string) => Translated | undefined;
  /** Quiet that is waited for, in ms; 10, 100 and 1,000 when absent. */
  readonly endpoints?: number;
  readonly configuration?: number;
  /** The most that a change waits. */
  readonly longest?: number;
}

const ENDPOINTS = new Set([
  typeUrlOf('ClusterLoadAssignment'),
  'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
]);

export class Pacer {
  /** The store's revision that the views have reached. */
  revision = -1;
  private readonly options: PacerOptions;
  private readonly upsert = new Map<string, Translated>();
  private readonly remove = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
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
      if (this.timer === undefined) this.revision = this.pendingRevision;
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
    this.schedule(urgent ? (this.options.endpoints ?? 10) : (this.options.configuration ?? 100));
  }

  /** Applies what was gathered now. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const translation = { upsert: [...this.upsert.values()], remove: [...this.remove] };
    this.upsert.clear();
    this.remove.clear();
    this.revision = this.pendingRevision;
    this.options.apply(translation);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private schedule(quiet: number): void {
    const now = performance.now();
    const waiting = this.timer !== undefined;
    if (!waiting) this.deadline = now + (this.options.longest ?? 1000);
    clearTimeout(this.timer);
    // Endpoints take configuration that was waiting along only when its time has come.
    this.due = Math.min(this.deadline, waiting ? Math.max(this.due, now + quiet) : now + quiet);
    this.timer = setTimeout(() => this.flush(), Math.max(0, this.due - now));
  }

  /** Whether only endpoints of it are different from what is there. */
  private isEndpoints(next: Translated): boolean {
    const before = this.upsert.get(next.id) ?? this.options.current(next.id);
    const changed = next.resources.filter((resource, index) => before?.resources[index]?.version !== resource.version);
    return changed.every(({ typeUrl }) => ENDPOINTS.has(typeUrl));
  }
}
