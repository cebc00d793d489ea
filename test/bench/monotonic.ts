/** CLOCK_MONOTONIC, in ms: the same to all processes of a machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
