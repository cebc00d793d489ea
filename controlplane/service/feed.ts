/** Tells those who watch of changes: each holds the ids that it has not been told of, not the changes. */
export interface Feed {
  /** Ids that changed since the last call; waits for some. Undefined: it is over. */
  next(): Promise<ReadonlySet<string> | undefined>;
  close(): void;
}

export class Feeds {
  private readonly open = new Set<(ids: Iterable<string>) => void>();

  /** Objects changed: these. */
  tell(ids: Iterable<string>): void {
    const all = [...ids];
    for (const each of this.open) each(all);
  }

  /** What changes from now on, until `signal` aborts. */
  subscribe(signal: AbortSignal): Feed {
    let pending = new Set<string>();
    let wake: (() => void) | undefined;
    const take = (ids: Iterable<string>): void => {
      for (const id of ids) pending.add(id);
      wake?.();
    };
    const abort = (): void => wake?.();
    this.open.add(take);
    signal.addEventListener('abort', abort);
    return {
      next: async () => {
        while (pending.size === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
        if (signal.aborted) return undefined;
        const ids = pending;
        pending = new Set();
        return ids;
      },
      close: () => {
        this.open.delete(take);
        signal.removeEventListener('abort', abort);
      },
    };
  }
}
