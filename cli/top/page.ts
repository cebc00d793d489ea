/** `l7mp top` as lines of text: the sums, and the table of sessions. Pure. */
import { formatEnd } from '../../common/format-address.ts';
import type { ApiRates, ApiSession } from '../api.ts';
import { plain } from '../plain-text.ts';
import { duration, size } from '../sessions.ts';
import type { Look, Sum } from './source.ts';

/** A column of a table: `width` for figures; names share what is left by their `share`. */
interface Column<T> {
  readonly title: string;
  readonly text: (row: T, at: number) => string;
  readonly width?: number;
  readonly share?: number;
  /** Of a name: the least width, and how much of its end stays where it is too long. Default: `NAME_WIDTH`, and half. */
  readonly least?: number;
  readonly tail?: number;
  /** Up to which letter of a name it is told from others: where there is no room for them all, the first go. Default: 0. */
  readonly telling?: (name: string) => number;
  /** Where there is no room, those with the highest go first; 0 stays. */
  readonly spare: number;
}

/** The least that a name needs to be told from others. */
const NAME_WIDTH = 12;

const perSecond = (bytes: number): string => `${size(bytes)}/s`;
const figure = (value: number): string => value.toLocaleString('en-US');

const RATES: readonly Column<{ readonly rates: ApiRates }>[] = [
  { title: 'IN', text: ({ rates }) => perSecond(rates.ingress.bytes), width: 10, spare: 0 },
  { title: 'OUT', text: ({ rates }) => perSecond(rates.egress.bytes), width: 10, spare: 0 },
  { title: 'IN P/s', text: ({ rates }) => figure(rates.ingress.packets), width: 9, spare: 5 },
  { title: 'OUT P/s', text: ({ rates }) => figure(rates.egress.packets), width: 9, spare: 5 },
];

const SESSION_COLUMNS: readonly Column<ApiSession>[] = [
  // What tells sessions apart is the client's address and port, and behind them the number of a request.
  { title: 'SESSION', text: ({ name }) => name, share: 2, least: 24, tail: 4, telling: clientEnd, spare: 0 },
  { title: 'LISTENER', text: ({ source }) => source.origin, share: 1, spare: 4 },
  { title: 'CLUSTER', text: ({ destination }) => destination?.origin ?? '-', share: 1, spare: 1 },
  { title: 'ENDPOINT', text: endpointOf, share: 2, least: 15, spare: 3 },
  { title: 'PATH', text: ({ offload }) => offload.state, width: 6, spare: 3 },
  { title: 'STATUS', text: ({ status }) => status.toLowerCase(), width: 12, spare: 6 },
  { title: 'AGE', text: ({ started_at }, at) => duration(Math.max(0, at - started_at)), width: 12, spare: 2 },
  ...RATES,
];

const SUM_COLUMNS: readonly Column<Sum & { readonly kind: string }>[] = [
  { title: 'SUMS', text: ({ kind }) => kind, width: 8, spare: 0 },
  { title: 'NAME', text: ({ name }) => name, share: 1, spare: 0 },
  { title: 'SESSIONS', text: ({ sessions }) => figure(sessions), width: 9, spare: 0 },
  ...RATES,
];

/** Behind the client's port, as in `TCP:10.0.0.1:4001-10.0.0.2:80`; 0: there is none. */
function clientEnd(name: string): number {
  return /^.+?:\d+(?=-)/u.exec(name)?.[0].length ?? 0;
}

function endpointOf({ destination }: ApiSession): string {
  const { address, port } = destination?.endpoint?.spec ?? {};
  return address === undefined ? '-' : formatEnd(address, port);
}

/** One line that says how much there is. */
export function summary({ traffic: { sessions, kernel, rates } }: Look): string {
  const way = (name: 'ingress' | 'egress'): string =>
    `${perSecond(rates[name].bytes)}, ${figure(rates[name].packets)} p/s`;
  const one = sessions === 1 ? 'session' : 'sessions';
  return `${figure(sessions)} ${one}, ${figure(kernel)} in the kernel   in ${way('ingress')}   out ${way('egress')}`;
}

/** The listeners and clusters that move the most, with a header. */
export function sumLines({ traffic, at }: Look, most: number, columns: number): string[] {
  const rows = [
    ...traffic.listeners.slice(0, most).map((sum) => ({ kind: 'listener', ...sum })),
    ...traffic.clusters.slice(0, most).map((sum) => ({ kind: 'cluster', ...sum })),
  ];
  return tableLines(SUM_COLUMNS, rows, at, columns);
}

/** What stands for the table where a filter leaves no session. */
export function noMatch(filter: string): string {
  return `no session matches "${plain(filter)}"`;
}

/** A header, and a line for each. */
export function sessionLines({ at }: Look, sessions: readonly ApiSession[], columns: number): string[] {
  return tableLines(SESSION_COLUMNS, sessions, at, columns);
}

function tableLines<T>(all: readonly Column<T>[], rows: readonly T[], at: number, columns: number): string[] {
  const fitting = fit(all, columns);
  const head = fitting.map(({ column, width }) => cell(column, column.title, width)).join(' ');
  return [
    head,
    ...rows.map((row) => fitting.map(({ column, width }) => cell(column, column.text(row, at), width)).join(' ')),
  ];
}

/** The columns that there is room for, and how wide they are. */
function fit<T>(all: readonly Column<T>[], columns: number): { column: Column<T>; width: number }[] {
  let shown = all;
  const needed = (): number => shown.reduce((sum, column) => sum + leastOf(column) + 1, -1);
  for (let spare = Math.max(...all.map((column) => column.spare)); spare > 0 && needed() > columns; spare--) {
    shown = shown.filter((column) => column.spare < spare);
  }
  const shares = shown.reduce((sum, { share = 0 }) => sum + share, 0);
  const rest = Math.max(0, columns - needed());
  return shown.map((column) => ({
    column,
    width: column.width ?? leastOf(column) + Math.floor((rest * (column.share ?? 0)) / Math.max(1, shares)),
  }));
}

function leastOf<T>({ width, least = NAME_WIDTH }: Column<T>): number {
  return width ?? least;
}

/** Figures stand at the right, all of them whatever the room; of names that are too long their beginning and their end. */
function cell<T>({ share, tail, telling }: Column<T>, text: string, width: number): string {
  if (share === undefined) return plain(text).padStart(width);
  const letters = plain(text);
  if (letters.length <= width) return letters.padEnd(width);
  const end = tail ?? Math.floor((width - 1) / 2);
  const last = letters.slice(letters.length - end);
  const room = width - 1 - end;
  const told = telling?.(letters) ?? 0;
  return told > room ? `…${letters.slice(told - room + 1, told)}…${last}` : `${letters.slice(0, room)}…${last}`;
}
