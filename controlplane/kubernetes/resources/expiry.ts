/** When sessions end. */
import { parseDuration } from '../api/durations.ts';
import type { Session } from '../api/own-kinds.ts';

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
