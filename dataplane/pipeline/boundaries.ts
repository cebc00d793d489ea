/** Tells, once for each way, where the boundaries of messages are lost: a stream of messages goes on as bytes. */
import type { Logger } from '../../common/log.ts';
import type { Link } from './link.ts';

/** More ways than anybody looks into: later ones are not told of. */
const MAX_WAYS = 1000;

export class BoundaryNotes {
  private readonly log: Logger;
  private readonly told = new Set<string>();

  constructor(log: Logger) {
    this.log = log;
  }

  /** `first`: the link from the client; `clusters` are those on the session's way, in order. */
  check(listener: string, clusters: readonly string[], first: Link): void {
    let from = listener;
    let index = 0;
    for (let link: Link | undefined = first; link !== undefined; link = link.next) {
      const to = clusters[index++] ?? listener;
      if (link.losesBoundaries) this.tell(listener, from, to);
      from = to;
    }
  }

  private tell(listener: string, from: string, to: string): void {
    const way = JSON.stringify([listener, from, to]);
    if (this.told.has(way) || this.told.size >= MAX_WAYS) return;
    this.told.add(way);
    this.log.info({ listener, from, to }, 'messages become bytes and lose their boundaries, unless there is a framing');
  }
}
