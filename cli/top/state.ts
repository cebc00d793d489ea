/** What the user of `l7mp top` has chosen, and what keys make of it. Pure. */
import { type Order, ORDERS } from './source.ts';

export interface TopState {
  readonly sort: Order;
  readonly filter: string;
  readonly isPaused: boolean;
  /** The place of the selected session in the list. */
  readonly selected: number;
  readonly mode:
    | { readonly type: 'list' }
    /** A filter is being written. */
    | { readonly type: 'filter'; readonly text: string }
    /** A session is shown by itself, from this line on. */
    | { readonly type: 'details'; readonly name: string; readonly from: number }
    | { readonly type: 'help' };
}

/** What there is to choose from. */
export interface Choice {
  /** Names of the sessions that are known, the first of those that there are. */
  readonly names: readonly string[];
  /** How many can be selected. */
  readonly total: number;
  /** Lines that fit. */
  readonly page: number;
}

/** The next state; undefined: the end. */
export function press(state: TopState, key: string, choice: Choice): TopState | undefined {
  if (key === '\x03') return undefined; // Ctrl-C
  switch (state.mode.type) {
    case 'filter':
      return writeFilter(state, state.mode.text, key);
    case 'details':
      return pressInDetails(state, state.mode, key, choice);
    case 'help':
      return key === 'q' ? undefined : { ...state, mode: LIST };
    case 'list':
      return pressInList(state, key, choice);
  }
}

const LIST = { type: 'list' } as const;

/** Keys that choose an order. */
const ORDER_KEYS: Readonly<Record<string, Order>> = { r: 'rate', k: 'packets', b: 'bytes', a: 'age', n: 'name' };

export const HELP: readonly string[] = [
  'up, down, PgUp, PgDn, Home, End   select a session',
  'Enter                             show all of it: why it went where it did, and its timeline',
  'r, k, b, a, n                     sort by rate, packets a second, bytes, age, name; s: by the next of them',
  '/                                 show only sessions with a text in a name, an address or the status; Esc: all again',
  'p, Space                          pause, and go on',
  'h, ?                              this page',
  'q                                 quit',
];

function pressInList(state: TopState, key: string, { names, total, page }: Choice): TopState | undefined {
  const order = ORDER_KEYS[key];
  if (order) return { ...state, sort: order, selected: 0 };
  const last = Math.max(0, total - 1);
  const select = (place: number): TopState => ({ ...state, selected: Math.min(last, Math.max(0, place)) });
  const name = names[state.selected];
  switch (key) {
    case 'q':
      return undefined;
    case 's':
      return { ...state, sort: ORDERS[(ORDERS.indexOf(state.sort) + 1) % ORDERS.length] ?? 'rate', selected: 0 };
    case 'p':
    case ' ':
      return { ...state, isPaused: !state.isPaused };
    case '/':
      return { ...state, mode: { type: 'filter', text: state.filter } };
    case '\x1b':
      return { ...state, filter: '', selected: 0 };
    case 'h':
    case '?':
      return { ...state, mode: { type: 'help' } };
    case '\r':
      return name === undefined ? state : { ...state, mode: { type: 'details', name, from: 0 } };
    default:
      return select(moved(state.selected, key, page, last));
  }
}

function pressInDetails(
  state: TopState,
  mode: Extract<TopState['mode'], { type: 'details' }>,
  key: string,
  { page }: Choice,
): TopState | undefined {
  if (key === 'q') return undefined;
  if (key === '\x1b' || key === '\r') return { ...state, mode: LIST };
  return { ...state, mode: { ...mode, from: Math.max(0, moved(mode.from, key, page, mode.from + page)) } };
}

function writeFilter(state: TopState, text: string, key: string): TopState {
  if (key === '\r') return { ...state, filter: text, selected: 0, mode: LIST };
  if (key === '\x1b') return { ...state, mode: LIST };
  if (key === '\x7f' || key === '\b') return { ...state, mode: { type: 'filter', text: text.slice(0, -1) } };
  return /^\P{C}+$/u.test(key) ? { ...state, mode: { type: 'filter', text: text + key } } : state;
}

/** A place after a key that moves it. */
function moved(place: number, key: string, page: number, last: number): number {
  switch (key) {
    case '\x1b[A':
      return place - 1;
    case '\x1b[B':
      return place + 1;
    case '\x1b[5~':
      return place - page;
    case '\x1b[6~':
      return place + page;
    case '\x1b[H':
    case '\x1b[1~':
      return 0;
    case '\x1b[F':
    case '\x1b[4~':
      return last;
    default:
      return place;
  }
}

const ESCAPE = '\x1b';

/** Escape with what belongs to it, or a letter. */
const KEY = new RegExp(`${ESCAPE}\\[[\\d;]*[A-Za-z~]|${ESCAPE}O[A-Z]|[^]`, 'gu');

/** What a terminal sends, key by key; of two sequences for one key (`ESC O A`, `ESC [ A`) the latter. */
export function keysOf(text: string): string[] {
  return text.match(KEY)?.map((key) => (key.startsWith(`${ESCAPE}O`) ? `${ESCAPE}[${key.slice(2)}` : key)) ?? [];
}
