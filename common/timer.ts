/** What timers can hold. */

/** The longest time of a timer, in ms: Node.js fires a longer one at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** The largest number of a unit that a timer can hold; undefined: it is no unit of time. */
export function longestTimer(unit: unknown): number | undefined {
  if (unit === 'ms') return LONGEST_TIMER;
  return unit === 's' ? Math.floor(LONGEST_TIMER / 1000) : undefined;
}
