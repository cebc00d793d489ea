/** The sessions of a proxy: those that move the most, each with what became of it, and a way to end it. */
import { fill, h } from '../dom.ts';
import { count, duration, size } from '../format.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { ProxyRow, SessionRow } from '../types.ts';
import { type App, isControlPlane, type View } from '../view.ts';
import { openSession } from './session.ts';

const STATUSES = ['INIT', 'CONNECTED', 'DISCONNECTED', 'FINALIZING', 'DESTROYED'];
/** As the server has it. */
const MOST = 1000;

export const sessions: View = {
  id: 'sessions',
  title: 'Sessions',
  isFor: ({ admin }) => admin,
  show: (root, app, query) => {
    if (!isControlPlane(app.server)) {
      app.opens((name) => openSession(name, undefined, app));
      showSessions(root, app, query, undefined);
      return;
    }
    const proxy = query.get('proxy') ?? undefined;
    const choice = h('select', { id: 'proxy', onchange: () => app.go('sessions', { proxy: choice.value }) });
    choice.append(h('option', { value: '' }, 'Choose a proxy'));
    if (proxy !== undefined) choice.append(h('option', { value: proxy, selected: true }, proxy));
    const list = h('div');
    root.append(h('div', { class: 'bar' }, h('label', { for: 'proxy' }, 'Proxy'), choice), list);
    if (proxy !== undefined) app.opens((name) => openSession(name, proxy, app));
    // The list of proxies is asked for once: one that stays the same should not move under the pointer.
    const end = app.follow({
      topics: ['proxies'],
      onChange: (lists) => {
        end();
        for (const id of [...lists.of<ProxyRow>('proxies').keys()].sort())
          if (id !== proxy) choice.append(h('option', { value: id }, id));
        if (proxy === undefined) fill(list, h('p', { class: 'empty' }, 'Sessions are shown of one proxy at a time.'));
        else showSessions(list, app, query, proxy);
      },
    });
  },
};

function showSessions(root: HTMLElement, app: App, query: URLSearchParams, proxy: string | undefined): void {
  let last: Lists | undefined;
  const table = new Table<SessionRow>({
    label: 'Sessions',
    empty: 'There are no sessions (like this).',
    sort: { title: 'Rate', down: true },
    columns: [
      { title: 'Session', text: ({ name }) => name },
      { title: 'State', text: ({ status }) => status, look: 'badge' },
      { title: 'Listener', text: ({ listener }) => listener, wide: true },
      {
        title: 'To',
        text: ({ cluster, endpoint }) => [cluster, endpoint].filter((each) => each !== '').join(' '),
        wide: true,
      },
      { title: 'Age', text: (row) => duration(ageOf(row)), value: ageOf, look: 'number', wide: true },
      { title: 'In', text: (row) => size(row.bytes_in), value: (row) => row.bytes_in, look: 'number', wide: true },
      { title: 'Out', text: (row) => size(row.bytes_out), value: (row) => row.bytes_out, look: 'number', wide: true },
      { title: 'Rate', text: ({ rate }) => `${size(rate)}/s`, value: ({ rate }) => rate, look: 'number' },
      { title: 'Way', text: ({ path }) => path, look: 'badge', wide: true },
      { title: 'End', text: ({ reason }) => reason, wide: true },
    ],
    onOpen: (_key, { name }) => app.open(name),
  });
  const search = h('input', {
    type: 'search',
    placeholder: 'Name, listener or cluster',
    'aria-label': 'Filter sessions',
  });
  search.value = query.get('search') ?? '';
  const status = h(
    'select',
    { 'aria-label': 'State' },
    h('option', { value: '' }, 'Any state'),
    ...STATUSES.map((each) => h('option', { value: each, selected: each === query.get('state') }, each)),
  );
  const total = h('p', { class: 'total', role: 'status' });
  const draw = (): void => {
    const all = [...(last?.of<SessionRow>('sessions') ?? [])].filter(([key]) => key.startsWith('session '));
    const wanted = search.value.toLowerCase();
    const found = all.filter(
      ([, row]) =>
        (status.value === '' || row.status === status.value) &&
        [row.name, row.listener, row.cluster].some((text) => text.toLowerCase().includes(wanted)),
    );
    table.show(found);
    const left = last?.omitted('sessions') ?? 0;
    const shown = found.length === all.length ? '' : `${found.length} of `;
    total.textContent = `${shown}${count(all.length, 'session')}${left > 0 ? `, and ${left} that move less` : ''}`;
  };
  // Of more than the server lists the filter is the server's: what is found may be among those that move less.
  let end = (): void => undefined;
  let asked: string | undefined;
  const ask = (): void => {
    if (asked === search.value) return;
    asked = search.value;
    end();
    end = app.follow({
      topics: ['sessions'],
      query: proxy === undefined ? { sort: 'rate', limit: String(MOST), search: asked } : { proxy },
      onChange: (lists) => {
        last = lists;
        draw();
      },
    });
  };
  let typing: ReturnType<typeof setTimeout> | undefined;
  app.onEnd(() => clearTimeout(typing));
  search.addEventListener('input', () => {
    draw();
    clearTimeout(typing);
    if (proxy === undefined) typing = setTimeout(ask, 300);
    app.keep('search', search.value);
  });
  status.addEventListener('change', () => {
    draw();
    app.keep('state', status.value);
  });
  fill(root, h('div', { class: 'bar' }, search, status, total), table.element);
  ask();
}

function ageOf({ started_at, ended_at }: SessionRow): number {
  return (ended_at === 0 ? Date.now() : ended_at) - started_at;
}
