/** How many sessions are on each route that has limits, and how many come to it a second. */
import type { Route } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { TokenBucket } from '../../common/token-bucket.ts';

interface Count {
  active: number;
  rate: number;
  bucket: TokenBucket | undefined;
}

/** Counts are looked through for ones that say nothing any more when there are so many, or twice those that were left then. */
const MANY = 1000;

export class RouteCounts {
  /** By name: a route keeps its counts when it changes. */
  private readonly counts = new Map<string, Count>();
  private readonly held = new WeakMap<object, Count>();
  private many = MANY;

  /** Routes that are known. */
  get size(): number {
    return this.counts.size;
  }

  /** Why a session may not go on a route; undefined: it is counted until it is `left`. `isNew`: it is none from before. */
  take(session: object, { name, limits }: Route, isNew: boolean): ProxyError | undefined {
    if (limits === undefined) return undefined;
    const { max_sessions: most, sessions_per_second: rate } = limits;
    const count = this.countOf(name, rate);
    if (isNew && most > 0 && count.active >= most) {
      return new ProxyError('LIMIT_EXCEEDED', `route ${name} has its ${most} sessions`);
    }
    if (isNew && count.bucket?.take() === false) {
      return new ProxyError('RATE_LIMITED', `route ${name}: too many new sessions`);
    }
    count.active++;
    this.held.set(session, count);
    return undefined;
  }

  left(session: object): void {
    const count = this.held.get(session);
    if (count === undefined) return;
    this.held.delete(session);
    count.active--;
  }

  private countOf(name: string, rate: number): Count {
    let count = this.counts.get(name);
    if (count === undefined) {
      if (this.counts.size >= this.many) this.prune();
      count = { active: 0, rate: 0, bucket: undefined };
      this.counts.set(name, count);
    }
    if (count.rate !== rate) {
      count.rate = rate;
      count.bucket = rate > 0 ? new TokenBucket(rate) : undefined;
    }
    return count;
  }

  /** A route without sessions whose bucket is full is as one that is new. */
  private prune(): void {
    for (const [name, { active, bucket }] of this.counts) {
      if (active === 0 && bucket?.has(Infinity) !== false) this.counts.delete(name);
    }
    this.many = Math.max(MANY, 2 * this.counts.size);
  }
}
