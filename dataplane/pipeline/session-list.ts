/**
 * The live sessions. An array, since a Map that churns leaves old tables behind that keep dead sessions from the young
 * generation's collector: at thousands of sessions a second that costs more than all else. Looking one up by name, which
 * only operators do, walks it.
 */

/** What is listed: it keeps its place. */
export interface Listed {
  slot: number;
}

export class SessionList<S extends Listed> {
  private readonly items: S[] = [];

  get size(): number {
    return this.items.length;
  }

  add(session: S): void {
    session.slot = this.items.length;
    this.items.push(session);
  }

  /** The last takes its place. */
  remove(session: S): void {
    const last = this.items.pop();
    if (last === undefined || last === session) return;
    this.items[session.slot] = last;
    last.slot = session.slot;
  }

  /** A copy: what is listed may change while it is walked. */
  all(): S[] {
    return this.items.slice();
  }
}
