/** Which proxies may yet ask for more because of what they did a short while ago. */

export class Settling {
  /** When that is over, by `performance.now()`; in the order of that. */
  private readonly due = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private readonly quiet: number;
  private readonly onSettled: (ids: readonly string[]) => void;

  /** `quiet`: how long a proxy may take to ask for more, in ms. `onSettled`: these have not. */
  constructor(quiet: number, onSettled: (ids: readonly string[]) => void) {
    this.quiet = quiet;
    this.onSettled = onSettled;
  }

  close(): void {
    clearTimeout(this.timer);
  }

  /** Its time starts anew. */
  restart(id: string): void {
    this.due.delete(id); // to the end
    this.due.set(id, performance.now() + this.quiet);
    this.timer ??= setTimeout(() => this.settle(), this.quiet).unref();
  }

  delete(id: string): void {
    this.due.delete(id);
  }

  private settle(): void {
    this.timer = undefined;
    const now = performance.now();
    const settled: string[] = [];
    for (const [id, due] of this.due) {
      if (due > now) {
        this.timer = setTimeout(() => this.settle(), due - now).unref();
        break;
      }
      this.due.delete(id);
      settled.push(id);
    }
    this.onSettled(settled);
  }
}
