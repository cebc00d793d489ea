/** When sessions end. */
import type { Session } from '../api/own-kinds.ts';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A duration as Gateway API writes it (GEP-2257), as in `1h30m`, in ms; undefined where it isn't one. */
export function parseDuration(text: string): number | undefined {
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/u.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/([0-9]+)(ms|h|m|s)/gu)) sum += Number(number) * (UNITS[unit] ?? 0);
  return sum;
}

/** The earlier of what `ttl` and `expiresAt` say, in ms since the epoch; undefined where neither can be read. */
export function expiryOf({ metadata, spec = { listeners: [] } }: Session): number | undefined {
  const { ttl, expiresAt } = spec;
  const lifetime = ttl === undefined ? undefined : parseDuration(ttl);
  const times = [
    lifetime === undefined ? NaN : Date.parse(metadata.creationTimestamp ?? '') + lifetime,
    Date.parse(expiresAt ?? ''),
  ].filter((time) => !Number.isNaN(time));
  return times.length === 0 ? undefined : Math.min(...times);
}
