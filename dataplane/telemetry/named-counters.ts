/** Named counters of Metric clusters. */
import type { Meter } from '../core/protocol.ts';

export interface NamedCounter {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  bytes: number;
  packets: number;
}

/** More names and labels than this share one counter, `(others)`: clusters may come and go for years. */
const MAX_COUNTERS = 10_000;

export class NamedCounters implements Meter {
  private readonly byKey = new Map<string, NamedCounter>();
  private readonly limit: number;

  constructor(limit = MAX_COUNTERS) {
    this.limit = limit;
  }

  /** The same name and labels give the same counter. */
  counter(name: string, labels: Readonly<Record<string, string>>): NamedCounter {
    const key = JSON.stringify([name, Object.entries(labels).sort()]);
    const known = this.byKey.get(key);
    if (known) return known;
    if (this.byKey.size >= this.limit && name !== '(others)') return this.counter('(others)', {});
    const counter: NamedCounter = { name, labels, bytes: 0, packets: 0 };
    this.byKey.set(key, counter);
    return counter;
  }

  all(): Iterable<NamedCounter> {
    return this.byKey.values();
  }
}
