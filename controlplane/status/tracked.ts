/** What is kept of a proxy that is connected here. */
import type { NodeFacts } from '../core/resource.ts';
import type { Asking } from './asking.ts';
import type { Acked } from './facts.ts';

export interface Tracked {
  readonly node: NodeFacts;
  /** In ISO 8601. */
  readonly connectedAt: string;
  readonly asking: Asking;
  /** By type URL. */
  readonly acked: Map<string, Acked>;
  /** What the last NACK of a type said, by type URL. */
  readonly nacks: Map<string, string>;
}
