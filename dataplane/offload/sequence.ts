/** Numbers of TCP segments, modulo 2^32. */

const RANGE = 2 ** 32;

export function add(...numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => (sum + number) >>> 0, 0);
}

export function distance(a: number, b: number): number {
  return Math.abs((a - b) | 0);
}

/** Whether `found` is `wanted`, or behind it. */
export function isReached(wanted: number, found: number): boolean {
  return ((found - wanted) | 0) >= 0;
}

/** Bytes of the stream: those that were relayed, less what came again; `difference`: of sequence numbers. */
export function streamBytes(relayed: number, difference: number): number {
  const again = add(relayed % RANGE, -difference);
  return again > RANGE / 2 ? relayed + RANGE - again : relayed - again;
}
