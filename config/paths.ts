/** The paths of fields in faults, as in `listeners[0].spec.port`: written and taken apart. */

/** Keys longer than this are cut: a path is read by people. */
const LONGEST_KEY = 80;

/** The path of a field. A key that is no plain word stands in quotes. */
export function join(path: string, key: string): string {
  const short = key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}…` : key;
  const step = /^[\w-]+$/u.test(short) ? short : JSON.stringify(short);
  return path === '' ? step : `${path}.${step}`;
}

/** Keys as strings, positions as numbers. */
export function stepsOf(path: string): (string | number)[] {
  return [...path.matchAll(/"(?:[^"\\]|\\.)*"|\[(\d+)\]|[^.[\]"]+/gu)].map(([step, index]) => {
    if (index !== undefined) return Number(index);
    return step.startsWith('"') ? (JSON.parse(step) as string) : step;
  });
}
