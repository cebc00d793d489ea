/** Durations as Gateway API writes them (GEP-2257): `1h30m`, `500ms`. */

const UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** In ms; undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,5}(?:h|ms|m|s)){1,4}$/u.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(h|ms|m|s)/gu)) {
    total += Number(count) * UNITS[unit as keyof typeof UNITS];
  }
  return total;
}
