/** Hostnames of listeners and routes: which intersect, and which are more specific. A wildcard stands for one label or more. */

/** Every name, as `undefined` has it in listeners and routes. */
export const ANY = '*';

/** Whether a hostname covers all that another does. Both in lower case. */
export function covers(pattern: string, hostname: string): boolean {
  if (pattern === ANY || pattern === hostname) return true;
  return pattern.startsWith('*.') && hostname.endsWith(pattern.slice(1));
}

/** The names that are in both, as the narrower of the two says it; undefined where there are none. */
export function intersect(one: string, other: string): string | undefined {
  if (covers(one, other)) return other;
  return covers(other, one) ? one : undefined;
}

/**
 * The hostnames of a route as a listener sees them: its own that intersect with the listener's. Empty where there are none.
 */
export function intersections(listener: string | undefined, route: readonly string[] | undefined): string[] {
  const own = listener?.toLowerCase() ?? ANY;
  if (route === undefined || route.length === 0) return [own];
  const found = route.map((hostname) => intersect(own, hostname.toLowerCase()));
  return [...new Set(found.filter((hostname) => hostname !== undefined))];
}

/** Orders the most specific first: names before wildcards, then the longest, then by the alphabet. */
export function bySpecificity(one: string, other: string): number {
  const wild = Number(one.startsWith('*')) - Number(other.startsWith('*'));
  return wild || other.length - one.length || (one < other ? -1 : Number(one > other));
}
