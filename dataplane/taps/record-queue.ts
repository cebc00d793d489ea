/** Lines on their way to a reader: bounded, and never waited for. */

/**
 * How long nothing may be said, in ms: an empty line then shows that both ends live. A reader that is gone looks like one that
 * has said all that it had to say, until it is written to.
 */
const SILENCE = 1000;

export class RecordQueue implements AsyncIterableIterator<string> {
  private readonly lines: string[] = [];
  private bytes = 0;
  private readonly maxBytes: number;
  private readonly onGone: () => void;
  private waiting: ((result: IteratorResult<string>) => void) | undefined;
  private silence: NodeJS.Timeout | undefined;
  private ended = false;

  /** `onGone`: its reader wants no more, before the end. */
  constructor(maxBytes: number, onGone: () => void) {
    this.maxBytes = maxBytes;
    this.onGone = onGone;
  }

  /** False where there is no room for it, or nobody reads any more. */
  push(line: string): boolean {
    if (this.ended) return false;
    if (this.waiting) {
      this.give(line);
      return true;
    }
    const size = Buffer.byteLength(line);
    if (this.bytes + size > this.maxBytes) return false;
    this.lines.push(line);
    this.bytes += size;
    return true;
  }

  /** The last lines, for which there is room always. */
  end(...last: readonly string[]): void {
    if (this.ended) return;
    this.ended = true;
    this.lines.push(...last);
    if (this.waiting) this.give(this.lines.join(''));
    else return;
    this.lines.length = 0;
  }

  next(): Promise<IteratorResult<string>> {
    if (this.lines.length > 0) {
      const value = this.lines.join('');
      this.lines.length = 0;
      this.bytes = 0;
      return Promise.resolve({ done: false, value });
    }
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.silence = setTimeout(() => this.give('\n'), SILENCE);
    });
  }

  return(): Promise<IteratorResult<string>> {
    const done = { done: true, value: undefined } as const;
    const wasEnded = this.ended;
    this.ended = true;
    this.lines.length = 0;
    clearTimeout(this.silence);
    this.waiting?.(done);
    this.waiting = undefined;
    if (!wasEnded) this.onGone();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private give(value: string): void {
    const { waiting } = this;
    clearTimeout(this.silence);
    this.waiting = undefined;
    waiting?.({ done: false, value });
  }
}
