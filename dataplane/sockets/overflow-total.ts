/** What the kernel dropped at the sockets of one listener or cluster, those that are closed included. */

/** A socket that can say it, as long as it is open. */
interface Overflowing {
  readonly overflow: number | undefined;
}

export class OverflowTotal {
  private readonly open = new Set<Overflowing>();
  /** Of sockets that are closed. */
  private past = 0;

  get value(): number {
    let sum = this.past;
    for (const { overflow = 0 } of this.open) sum += overflow;
    return sum;
  }

  add(socket: Overflowing): void {
    this.open.add(socket);
  }

  /** Before it is closed. */
  remove(socket: Overflowing): void {
    this.open.delete(socket);
    this.past += socket.overflow ?? 0;
  }
}
