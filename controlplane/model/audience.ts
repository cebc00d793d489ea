/** For whom something is: a selector, and while a rollout is under way, a part of those that it selects. */
import { createHash } from 'node:crypto';
import type { Selector } from '../../gen/messages.ts';
import { canonicalJson } from './canonical.ts';
import { compileSelector, type Matcher } from './selector.ts';

/** Positions of proxies go from 0 to below this. */
export const POSITIONS = 2 ** 32;

/** Proxies whose position is in a range. */
export interface Cohort {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export interface Audience {
  readonly selector?: Selector | undefined;
  /** Absent: all that are selected. */
  readonly cohort?: Cohort | undefined;
}

/** The same for equal audiences. */
export function audienceKey(audience: Audience): string {
  return canonicalJson(audience);
}

export function compileAudience({ selector, cohort }: Audience): Matcher {
  const selects = compileSelector(selector);
  if (cohort === undefined) return selects;
  return (proxy) => {
    if (!selects(proxy)) return false;
    const position = positionOf(proxy.id);
    return position >= cohort.from && position < cohort.to;
  };
}

/** Where a proxy stands in the order of rollouts: always the same, and evenly spread. */
export function positionOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE(0);
}
