/** `l7mp top` on a terminal: looks again and again, and hears keys. */
import { type ApiOptions, type ApiSession, get } from '../api.ts';
import { describe } from '../explain.ts';
import { ApiError } from '../exit.ts';
import { plain } from '../plain-text.ts';
import { sessionLines, summary, sumLines } from './page.ts';
import { type Line, Screen } from './screen.ts';
import { look, type Look, MAX_PAGE } from './source.ts';
import { HELP, press, type TopState } from './state.ts';

/** Listeners, and clusters, whose sums are shown. */
const SUMS = 3;
/** Of a terminal that does not say how many it has. */
const SOME_ROWS = 24;
/** Lines beside those of sessions: title, summary, the header of sums, an empty one, that of sessions, and the last. */
const OTHERS = 6;

export interface LiveOptions extends ApiOptions {
  /** Between two looks, in ms. */
  readonly interval: number;
}

/** Until the user quits. @throws ApiError where the proxy isn't there at the beginning */
export async function live(options: LiveOptions, first: TopState): Promise<void> {
  let state = first;
  let seen = await look(options, { ...state, limit: process.stdout.rows || SOME_ROWS });
  let details: readonly string[] = [];
  let trouble: string | undefined;
  let quit: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (quit = resolve));
  let timer: NodeJS.Timeout | undefined;
  /** Rises with each look: what a look finds that another has overtaken isn't shown. */
  let turn = 0;

  const room = (): number => {
    const { listeners, clusters } = seen.traffic;
    const sums = Math.min(listeners.length, SUMS) + Math.min(clusters.length, SUMS);
    return Math.max(1, screen.rows - OTHERS - sums);
  };
  const show = (): void => screen.show(frame(options.api, state, seen, details, trouble, screen, room()));

  const refresh = async (): Promise<void> => {
    clearTimeout(timer);
    const own = ++turn;
    const { mode, selected } = state;
    try {
      const limit = Math.max(selected + 1, room()) + room();
      const [next, shown] = await Promise.all([
        look(options, { ...state, limit }),
        mode.type === 'details' ? detailsOf(options, mode.name) : [],
      ]);
      if (own !== turn) return;
      state = { ...state, selected: follow(state.selected, seen, next) };
      [seen, details, trouble] = [next, shown, undefined];
    } catch (error) {
      if (own !== turn) return;
      if (!(error instanceof ApiError)) throw error;
      trouble = error.message;
    }
    show();
    timer = setTimeout(tick, options.interval);
  };
  const tick = (): void => {
    if (!state.isPaused) void refresh();
  };

  const onKey = (key: string): void => {
    const names = seen.sessions.map(({ name }) => name);
    const total = state.isPaused ? names.length : Math.min(seen.total, MAX_PAGE);
    const next = press(state, key, { names, total, page: room() });
    if (next === undefined) {
      quit();
      return;
    }
    const asksAnew =
      next.sort !== state.sort ||
      next.filter !== state.filter ||
      next.mode.type !== state.mode.type ||
      (state.isPaused && !next.isPaused) ||
      next.selected >= seen.sessions.length - 1;
    if (next.mode.type !== state.mode.type) details = [];
    state = next;
    show();
    if (asksAnew && (!state.isPaused || state.mode.type === 'details')) void refresh();
  };

  const screen = new Screen(process.stdin, process.stdout, onKey, () => show());
  const onSignal = (): void => quit();
  process.on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  try {
    show();
    timer = setTimeout(tick, options.interval);
    await over;
  } finally {
    turn = -1;
    clearTimeout(timer);
    process.off('SIGTERM', onSignal).off('SIGHUP', onSignal);
    screen.close();
  }
}

/** The selected session stays selected where it is still listed. */
function follow(selected: number, before: Look, now: Look): number {
  // The first place is that of whatever is first.
  if (selected === 0) return 0;
  const id = before.sessions[selected]?.id;
  const place = now.sessions.findIndex((session) => session.id === id);
  return place >= 0 ? place : Math.max(0, Math.min(selected, now.sessions.length - 1));
}

async function detailsOf(options: ApiOptions, name: string): Promise<string[]> {
  try {
    return describe(await get<ApiSession>(options, `/api/v1/sessions/${encodeURIComponent(name)}`)).split('\n');
  } catch (error) {
    if (error instanceof ApiError && error.message.endsWith(': Not Found')) return [`session    ${name} has ended`];
    throw error;
  }
}

/** All lines of the screen. */
function frame(
  api: string,
  state: TopState,
  seen: Look,
  details: readonly string[],
  trouble: string | undefined,
  { columns, rows }: Pick<Screen, 'columns' | 'rows'>,
  room: number,
): Line[] {
  const { mode, filter, sort, isPaused, selected } = state;
  const clock = new Date(seen.at).toTimeString().slice(0, 8);
  const marks = [`by ${sort}`, ...(filter === '' ? [] : [`with "${plain(filter)}"`]), ...(isPaused ? ['PAUSED'] : [])];
  const title = { text: `l7mp top  ${api}  ${clock}  ${marks.join(', ')}` };
  const foot = { text: trouble ?? footOf(state, seen), isInverse: true };
  const filled = (lines: readonly Line[]): Line[] => {
    const body = lines.slice(0, rows - 2);
    return [title, ...body, ...Array.from({ length: rows - 2 - body.length }, () => ({ text: '' })), foot];
  };
  if (mode.type === 'help') return filled(HELP.map((text) => ({ text })));
  if (mode.type === 'details') return filled(details.slice(mode.from).map((text) => ({ text: plain(text) })));
  const from = Math.max(0, Math.min(selected - room + 1, seen.sessions.length - room));
  const [header = '', ...lines] = sessionLines(seen, seen.sessions.slice(from, from + room), columns);
  return filled([
    { text: summary(seen) },
    ...sumLines(seen, SUMS, columns).map((text) => ({ text })),
    { text: '' },
    { text: header, isInverse: true },
    ...lines.map((text, index) => ({ text, isInverse: from + index === selected })),
  ]);
}

function footOf({ mode, selected }: TopState, { total, sessions }: Look): string {
  if (mode.type === 'filter') return `filter: ${plain(mode.text)}_   Enter: apply, Esc: leave it`;
  if (mode.type === 'details') return 'Esc: back, up and down: scroll, q: quit';
  if (mode.type === 'help') return 'any key: back, q: quit';
  const last =
    sessions.length >= MAX_PAGE && total > MAX_PAGE ? `; the first ${MAX_PAGE} are listed, a filter finds others` : '';
  return `${total === 0 ? 0 : selected + 1} of ${total}${last}   Enter: details, s: sort, /: filter, p: pause, h: help, q: quit`;
}
