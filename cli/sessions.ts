/** `l7mp sessions`: a table of sessions, live on a terminal. */
import { type ApiOptions, type ApiSession, get } from './api.ts';
import { formatTable } from './table.ts';

export interface SessionsOptions extends ApiOptions {
  readonly once?: true;
  readonly interval: number;
  readonly sort: 'name' | 'rate' | 'bytes' | 'age';
}

interface Row {
  readonly name: string;
  readonly status: string;
  readonly to: string;
  readonly age: number;
  readonly bytes: readonly [number, number];
  /** Bytes a second, both ways. */
  readonly rate: number;
}

export async function sessions(options: SessionsOptions): Promise<void> {
  if (options.json) {
    console.log(JSON.stringify(await get<ApiSession[]>(options, '/api/v1/sessions'), null, 2));
    return;
  }
  const live = process.stdout.isTTY && !options.once;
  let before = new Map<string, number>();
  for (;;) {
    const found = await get<ApiSession[]>(options, '/api/v1/sessions');
    const rows = found.map((session) => toRow(session, before.get(session.name), options.interval));
    before = new Map(rows.map(({ name, bytes }) => [name, bytes[0] + bytes[1]]));
    const height = live ? Math.max(5, process.stdout.rows - 3) : Infinity;
    const text = table(sorted(rows, options.sort), height);
    process.stdout.write(live ? `\x1b[H\x1b[2J${cut(text, process.stdout.columns)}` : text);
    if (!live) return;
    await new Promise((resolve) => setTimeout(resolve, options.interval));
  }
}

function toRow(session: ApiSession, before: number | undefined, interval: number): Row {
  const { name, status, destination, counters, started_at, ended_at } = session;
  const total = counters.ingress.bytes + counters.egress.bytes;
  const endpoint = destination?.endpoint?.spec;
  const where =
    endpoint === undefined ? '' : ` ${endpoint.address}${endpoint.port === undefined ? '' : `:${endpoint.port}`}`;
  return {
    name,
    status,
    to: `${destination?.origin ?? '-'}${where}`,
    age: (ended_at ?? Date.now()) - started_at,
    bytes: [counters.ingress.bytes, counters.egress.bytes],
    rate: before === undefined ? 0 : ((total - before) * 1000) / interval,
  };
}

function sorted(rows: readonly Row[], by: SessionsOptions['sort']): Row[] {
  const value = ({ rate, bytes, age }: Row): number =>
    by === 'rate' ? rate : by === 'age' ? age : bytes[0] + bytes[1];
  return rows.toSorted((a, b) => (by === 'name' ? 0 : value(b) - value(a)) || (a.name < b.name ? -1 : 1));
}

/** Lines as wide as the terminal: wrapped ones would push the table off the screen. */
function cut(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => line.slice(0, columns))
    .join('\n');
}

function table(rows: readonly Row[], height: number): string {
  const header = ['SESSION', 'STATUS', 'TO', 'AGE', 'IN', 'OUT', 'RATE'];
  const shown = rows.slice(0, height);
  const cells = shown.map(({ name, status, to, age, bytes, rate }) => [
    name,
    status,
    to,
    duration(age),
    size(bytes[0]),
    size(bytes[1]),
    `${size(rate)}/s`,
  ]);
  const more = rows.length > shown.length ? `… ${rows.length - shown.length} more\n` : '';
  return `${rows.length} ${rows.length === 1 ? 'session' : 'sessions'}\n${formatTable(header, cells)}${more}`;
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
