/** What happened to a session, in order: bounded, since one that is connected again and again lives on for ever. */
import type { SessionEvent } from '../core/session.ts';

/** Events that are kept of the beginning, which tell how it came about … */
const FIRST = 16;
/** … and of the end, which tell how it is now. */
const LAST = 48;

export class Timeline {
  private readonly kept: SessionEvent[] = [];
  private leftOut = 0;
  /** When the last of those happened that are left out, in ms since the epoch. */
  private leftOutUntil = 0;

  add(event: SessionEvent): void {
    this.kept.push(event);
    if (this.kept.length <= FIRST + LAST) return;
    this.leftOutUntil = this.kept.splice(FIRST, 1)[0]?.timestamp ?? 0;
    this.leftOut++;
  }

  /** In the place of those that are left out stands an event that says how many they are. */
  get events(): readonly SessionEvent[] {
    if (this.leftOut === 0) return this.kept;
    const message = `${this.leftOut} events are not kept: only the first ${FIRST} and the last ${LAST}`;
    return this.kept.toSpliced(FIRST, 0, { event: 'LEFT OUT', timestamp: this.leftOutUntil, message });
  }
}
