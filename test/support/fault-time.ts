/** How long fault tests go on: some seconds in the tests of every day, more by `npm run faults`. */

export function faultMs(usualMs: number): number {
  const seconds = Number(process.env['L7MP_FAULT_SECONDS'] ?? NaN);
  return seconds > 0 ? seconds * 1000 : usualMs;
}
