/** The proxies and how far each is with its configuration; of a proxy's own page, that proxy. */
import { badge, facts, fill, h } from '../dom.ts';
import { ago, count } from '../format.ts';
import { openPanel, type Panel } from '../dialog.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { ProxyRow } from '../types.ts';
import { type App, isControlPlane, type View } from '../view.ts';

export const proxies: View = {
  id: 'proxies',
  title: 'Proxies',
  isFor: () => true,
  show: (root, app, query) => {
    if (isControlPlane(app.server)) showAll(root, app, query);
    else showOwn(root, app);
  },
};

const GONE = 'It is not connected.';

/** How far a proxy is, in a word. */
export function syncOf({ types, faults }: ProxyRow): string {
  if (types.some(({ nack }) => nack !== '')) return 'NACK';
  if (faults.some(({ kind }) => kind === 'failed')) return 'failed';
  return types.every(({ synced }) => synced) ? 'synced' : 'syncing';
}

const sum = (row: ProxyRow): number => row.types.reduce((total, { resources }) => total + resources, 0);
const labels = (row: ProxyRow): string =>
  Object.entries(row.labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');

function showAll(root: HTMLElement, app: App, query: URLSearchParams): void {
  let open: { readonly key: string; readonly panel: Panel; drawn: boolean; row?: ProxyRow } | undefined;
  const table = new Table<ProxyRow>({
    label: 'Proxies',
    empty: 'No proxy is connected: l7mp proxy --controlplane HOST:PORT --id NAME',
    columns: [
      { title: 'Proxy', text: ({ id }) => id },
      { title: 'State', text: syncOf, look: 'badge' },
      { title: 'Resources', text: (row) => String(sum(row)), value: sum, look: 'number' },
      {
        title: 'Faults',
        text: ({ faults }) => String(faults.length),
        value: ({ faults }) => faults.length,
        look: 'number',
      },
      { title: 'Labels', text: labels, wide: true },
      { title: 'Agent', text: ({ agent }) => agent, wide: true },
      { title: 'From', text: ({ address }) => address, wide: true },
      { title: 'Control plane', text: (row) => row.control_plane, wide: true },
      { title: 'Connected', text: (row) => ago(row.connected_at), value: (row) => row.connected_at ?? '', wide: true },
    ],
    onOpen: (key) => app.open(key),
  });
  const search = h('input', { type: 'search', placeholder: 'Name, label or state', 'aria-label': 'Filter proxies' });
  search.value = query.get('search') ?? '';
  const total = h('p', { class: 'total', role: 'status' });
  root.append(h('div', { class: 'bar' }, search, total), table.element);
  let last: Lists | undefined;
  const draw = (): void => {
    const all = [...(last?.of<ProxyRow>('proxies') ?? [])];
    const wanted = search.value.toLowerCase();
    const found = all.filter(([, row]) =>
      [row.id, labels(row), syncOf(row)].some((text) => text.toLowerCase().includes(wanted)),
    );
    table.show(found);
    const left = last?.omitted('proxies') ?? 0;
    total.textContent = `${found.length === all.length ? '' : `${found.length} of `}${count(all.length, 'proxy', 'proxies')}${left > 0 ? ' and more' : ''}`;
    drawOpen();
  };
  const drawOpen = (): void => {
    if (open === undefined || last === undefined) return;
    const row = last.of<ProxyRow>('proxies').get(open.key);
    // What has the focus or is selected stays so while other proxies change.
    if (open.drawn && open.row === row) return;
    Object.assign(open, { row, drawn: true });
    fill(
      open.panel.body,
      ...(row === undefined ? [h('p', { class: 'problem', role: 'status' }, GONE)] : describe(row, app)),
    );
  };
  app.opens((key) => {
    const panel = openPanel(key);
    fill(panel.body, h('p', {}, '…'));
    open = { key, panel, drawn: false };
    panel.onClose(() => {
      if (open?.panel === panel) open = undefined;
    });
    drawOpen();
    return panel;
  });
  search.addEventListener('input', () => {
    draw();
    app.keep('search', search.value);
  });
  app.follow({
    topics: ['proxies'],
    onChange: (lists) => {
      last = lists;
      draw();
    },
  });
}

function describe(row: ProxyRow, app: App): Node[] {
  return [
    facts([
      ['State', badge(syncOf(row))],
      ['Labels', labels(row)],
      ['Agent', row.agent],
      ['Connects from', row.address],
      ['To', row.control_plane],
      ['Since', ago(row.connected_at)],
      ['Protocol', `xDS, ${row.variant}`],
    ]),
    app.server.admin && h('p', {}, h('a', { href: `#sessions?proxy=${encodeURIComponent(row.id)}` }, 'Its sessions')),
    h('p', {}, h('a', { href: `#topology?proxy=${encodeURIComponent(row.id)}` }, 'Its topology')),
    h('h3', {}, 'Resources'),
    plainTable(
      ['Type', 'Taken', 'Serving', 'State'],
      row.types.map((type) => [
        type.type_url.slice(type.type_url.lastIndexOf('.') + 1),
        String(type.resources),
        String(type.serving),
        badge(type.nack === '' ? (type.synced ? 'synced' : 'syncing') : 'NACK'),
      ]),
    ),
    ...row.types.flatMap(({ nack, type_url }) =>
      nack === '' ? [] : [h('p', { class: 'problem' }, `${type_url.slice(type_url.lastIndexOf('.') + 1)}: ${nack}`)],
    ),
    h('h3', {}, 'Faults'),
    row.faults.length === 0
      ? h('p', {}, 'None.')
      : plainTable(
          ['Resource', 'Kind', 'What'],
          row.faults.map(({ name, kind, message, type_url }) => [
            `${type_url.slice(type_url.lastIndexOf('.') + 1)}/${name}`,
            badge(kind),
            message,
          ]),
        ),
  ].filter((each) => each !== false);
}

interface ProxyStatus {
  readonly version: string;
  readonly ready: boolean;
  readonly sessions: number;
  readonly offload: string;
  readonly controlplane?: {
    readonly connected: boolean;
    readonly server: string;
    readonly variant: string;
    readonly since: string;
    readonly last_error?: string;
    readonly types: Readonly<
      Record<
        string,
        {
          readonly resources: number;
          readonly acks: number;
          readonly nacks: number;
          readonly last_nack?: { readonly at: string; readonly faults: readonly string[] };
        }
      >
    >;
  };
}

function showOwn(root: HTMLElement, app: App): void {
  app.follow({
    topics: ['status'],
    onChange: (lists) => {
      const status = lists.of<ProxyStatus>('status').get('proxy');
      if (status !== undefined) fill(root, ...describeOwn(status));
    },
  });
}

function describeOwn({ version, ready, sessions, offload, controlplane }: ProxyStatus): Node[] {
  const types = Object.entries(controlplane?.types ?? {});
  return [
    facts([
      ['State', badge(ready ? 'ready' : 'not ready')],
      ['Version', version],
      ['Sessions', String(sessions)],
      ['Kernel offload', offload],
      ['Control plane', controlplane === undefined ? 'none: its own configuration counts' : controlplane.server],
      ['Connection', controlplane && badge(controlplane.connected ? 'connected' : 'not connected')],
      ['Since', controlplane && ago(controlplane.since)],
      ['Last error', controlplane?.last_error],
    ]),
    ...(types.length === 0
      ? []
      : [
          h('h2', {}, 'Resources of the control plane'),
          plainTable(
            ['Kind', 'Held', 'Accepted', 'Refused', 'Last refusal'],
            types.map(([kind, { resources, acks, nacks, last_nack }]) => [
              kind,
              String(resources),
              String(acks),
              String(nacks),
              last_nack ? `${ago(last_nack.at)}: ${last_nack.faults.join('; ')}` : '',
            ]),
          ),
        ]),
  ];
}

/** A table that is small: all of it is in the page. */
export function plainTable(titles: readonly string[], rows: readonly (readonly (string | Node)[])[]): HTMLElement {
  return h(
    'div',
    { class: 'plain-table', tabindex: 0, role: 'region', 'aria-label': titles.join(', ') },
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...titles.map((title) => h('th', { scope: 'col' }, title)))),
      h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((cell) => h('td', {}, cell))))),
    ),
  );
}
