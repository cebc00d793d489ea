/** Whether nothing is on its way any more: nothing has come for as long as what is on its way may take. */
import type { Leg } from './leg.ts';

/** The longest that is waited for, in ms. */
const MOST = 200;

/** For how long what is counted has stayed as it is, in ms, as far as it was looked at. */
export function stillness(read: () => number | bigint | undefined): () => number {
  let [last, since] = [read(), performance.now()];
  return () => {
    const [now, found] = [performance.now(), read()];
    if (found !== last) [last, since] = [found, now];
    return now - since;
  };
}

/** How long what a leg's peer has sent may be on its way, in ms: `least` at least, as a busy host needs more than it says. */
export function roundTripOf({ info }: Leg, least: number): number {
  return Math.min(Math.max(info?.roundTrip ?? 0, least), MOST);
}
