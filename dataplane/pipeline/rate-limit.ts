/** Token buckets: sessions of a listener, datagrams and bytes of a session. */

/** Allows `rate` a second, and a burst of a second's worth. */
export class TokenBucket {
  private readonly rate: number;
  private readonly burst: number;
  private tokens: number;
  private filledAt: number;
  private readonly now: () => number;

  constructor(rate: number, now: () => number = Date.now) {
    this.rate = rate;
    this.burst = Math.max(rate, 1);
    this.tokens = this.burst;
    this.now = now;
    this.filledAt = now();
  }

  /** Takes the tokens if there are enough. */
  take(count = 1): boolean {
    this.fill();
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
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
