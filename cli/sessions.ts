/** `l7mp sessions`: a table of sessions, live on a terminal. */
import { formatEnd } from '../common/format-address.ts';
import { type ApiOptions, type ApiSession, get, getSessions } from './api.ts';
import { formatTable } from './table.ts';

export interface SessionsOptions extends ApiOptions {
  readonly once?: true;
  readonly interval: number;
  readonly sort: 'name' | 'rate' | 'bytes' | 'age';
}

/** The most that the API lists at once. */
const MAX_PAGE = 1000;

export async function sessions(options: SessionsOptions): Promise<void> {
  if (options.json) {
    console.log(JSON.stringify(await get<ApiSession[]>(options, '/api/v1/sessions'), null, 2));
    return;
  }
  const live = process.stdout.isTTY && !options.once;
  for (;;) {
    // There may be many thousands: what the screen can't show is not asked for.
    const limit = live ? `&limit=${Math.min(Math.max(5, process.stdout.rows - 3), MAX_PAGE)}` : '';
    const { items, total } = await getSessions(options, `sort=${options.sort}${limit}`);
    const text = table(items, total);
    process.stdout.write(live ? `\x1b[H\x1b[2J${cut(text, process.stdout.columns)}` : text);
    if (!live) return;
    await new Promise((resolve) => setTimeout(resolve, options.interval));
  }
}

/** Lines as wide as the terminal: wrapped ones would push the table off the screen. */
function cut(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => line.slice(0, columns))
    .join('\n');
}

function table(items: readonly ApiSession[], total: number): string {
  const header = ['SESSION', 'STATUS', 'TO', 'AGE', 'IN', 'OUT', 'RATE'];
  const more = total > items.length ? `… ${total - items.length} more\n` : '';
  return `${total} ${total === 1 ? 'session' : 'sessions'}\n${formatTable(header, items.map(toRow))}${more}`;
}

function toRow({ name, status, destination, counters, rate, started_at, ended_at }: ApiSession): string[] {
  const endpoint = destination?.endpoint?.spec;
  const where = endpoint === undefined ? '' : ` ${formatEnd(endpoint.address, endpoint.port)}`;
  return [
    name,
    status,
    `${destination?.origin ?? '-'}${where}`,
    duration((ended_at ?? Date.now()) - started_at),
    size(counters.ingress.bytes),
    size(counters.egress.bytes),
    `${size(rate)}/s`,
  ];
}

export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
