/** Counts responses, for the REST API and metrics. */
import type { ResourceState } from '../core/control-plane.ts';
import type { ResourceKind } from './types.ts';

interface Counts {
  acks: number;
  nacks: number;
  version: string;
  lastNack?: { readonly at: number; readonly faults: readonly string[] };
}

/** A list of faults is for people. */
const MOST_FAULTS = 100;

export class ResponseCounts {
  private readonly counts = new Map<ResourceKind, Counts>();

  count(kind: ResourceKind, version: string, faults: readonly string[]): void {
    const counts = this.counts.get(kind) ?? { acks: 0, nacks: 0, version: '' };
    this.counts.set(kind, counts);
    counts.version = version;
    if (faults.length === 0) counts.acks++;
    else {
      counts.nacks++;
      counts.lastNack = { at: Date.now(), faults: faults.slice(0, MOST_FAULTS) };
    }
  }

  /** Whether there was a response of a kind. */
  has(kind: ResourceKind): boolean {
    return this.counts.has(kind);
  }

  of(kind: ResourceKind, resources: number): ResourceState {
    return { acks: 0, nacks: 0, version: '', ...this.counts.get(kind), resources };
  }
}
