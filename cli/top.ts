/** `l7mp top`: what moves in a proxy, live on a terminal, or as a table again and again. */
import { once } from 'node:events';
import type { ApiOptions } from './api.ts';
import { noMatch, sessionLines, summary, sumLines } from './top/page.ts';
import { type Look, look, type Order } from './top/source.ts';

export interface TopOptions extends ApiOptions {
  readonly once?: true;
  /** In ms. */
  readonly interval: number;
  readonly sort: Order;
  readonly filter: string;
  /** The most sessions of a table. */
  readonly limit: number;
}

/** As wide as tables are where nothing says how wide they may be. */
const COLUMNS = 160;
/** Listeners, and clusters, whose sums a table has. */
const SUMS = 10;

export async function top(options: TopOptions): Promise<void> {
  const { once: isOnce = false, json = false, sort, filter, interval } = options;
  if (!isOnce && !json && process.stdout.isTTY && process.stdin.isTTY) {
    const { live } = await import('./top/live.ts');
    await live(options, { sort, filter, isPaused: false, selected: 0, mode: { type: 'list' } });
    return;
  }
  for (;;) {
    const seen = await look(options, options);
    const isTaken = process.stdout.write(json ? `${JSON.stringify(seen)}\n` : table(seen, filter));
    if (isOnce) return;
    if (!isTaken) await once(process.stdout, 'drain'); // who reads slowly gets fewer looks
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}

function table(seen: Look, filter: string): string {
  const columns = process.stdout.columns || COLUMNS;
  const more = seen.total - seen.sessions.length;
  const lines = [
    `${new Date(seen.at).toISOString()}  ${summary(seen)}`,
    ...sumLines(seen, SUMS, columns),
    '',
    ...(seen.total === 0 && filter !== '' ? [noMatch(filter)] : sessionLines(seen, seen.sessions, columns)),
    ...(more > 0 ? [`… ${more} more`] : []),
    '',
    '',
  ];
  return lines.map((line) => line.trimEnd()).join('\n');
}
