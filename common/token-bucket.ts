/** Token buckets: sessions of a listener, datagrams and bytes of a session, traces of a process, writes to a cluster. */

/** Allows `rate` a second, and a burst of a second's worth. */
export class TokenBucket {
  private readonly rate: number;
  private readonly burst: number;
  private tokens: number;
  private filledAt: number;
  private readonly now: () => number;

  constructor(rate: number, now: () => number = () => performance.now()) {
    this.rate = rate;
    this.burst = Math.max(rate, 1);
    this.tokens = this.burst;
    this.now = now;
    this.filledAt = now();
  }

  /** Whether there are enough. More than the burst is there never: for that, a full bucket is enough. */
  has(count: number): boolean {
    this.fill();
    return this.tokens >= Math.min(count, this.burst);
  }

  /** Takes the tokens if there are enough; beyond the burst it goes into debt. */
  take(count = 1): boolean {
    if (!this.has(count)) return false;
    this.tokens -= count;
    return true;
  }

  /** How long until there are enough, in ms. */
  wait(count = 1): number {
    this.fill();
    return (Math.max(0, Math.min(count, this.burst) - this.tokens) / this.rate) * 1000;
  }

  /** Takes the tokens even if there are not enough. Gives how long to wait until the debt is paid, in ms. */
  borrow(count: number): number {
    this.fill();
    this.tokens -= count;
    return this.tokens >= 0 ? 0 : (-this.tokens / this.rate) * 1000;
  }

  private fill(): void {
    const now = this.now();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.rate);
    this.filledAt = now;
  }
}
