/** The objects of the configuration: how each fares, what it says, and a way to change it. */
import { ask, call, send } from '../api.ts';
import { changesView } from '../changes.ts';
import { confirm, openPanel, type Panel } from '../dialog.ts';
import { badge, button, facts, fill, h } from '../dom.ts';
import { type Editor, editor } from '../editor.ts';
import { ago, count } from '../format.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { Changes, Fault, ObjectRow } from '../types.ts';
import { type App, isControlPlane, type View } from '../view.ts';
import { exampleOf } from './example.ts';
import { plainTable } from './proxies.ts';

export const objects: View = {
  id: 'objects',
  title: 'Configuration',
  isFor: () => true,
  show: (root, app, query) => {
    const ofControlPlane = isControlPlane(app.server);
    let last: Lists | undefined;
    let open: { key: string; facts: HTMLElement } | undefined;
    const table = new Table<ObjectRow>({
      label: 'Objects',
      empty: 'There are no objects (like this).',
      sort: { title: 'Object', down: false },
      columns: [
        { title: 'Object', text: ({ kind, name }) => `${kind}/${name}` },
        { title: 'State', text: wordOf, look: 'badge' },
        ...(ofControlPlane
          ? [
              {
                title: 'Serving',
                text: progressOf,
                value: ({ status }: ObjectRow) => status?.serving ?? 0,
                look: 'number' as const,
              },
              {
                title: 'Changed',
                text: (row: ObjectRow) => ago(row.changed_at),
                value: (row: ObjectRow) => row.changed_at ?? '',
                wide: true,
              },
            ]
          : []),
        { title: 'From', text: ({ source = '' }) => source, wide: true },
        { title: 'Faults', text: faultText, wide: true },
      ],
      onOpen: (key, row) => {
        const panel = openPanel(`${row.kind} ${row.name}`, () => (open = undefined));
        const known = h('div');
        open = { key, facts: known };
        fill(known, ...describe(row));
        panel.body.append(known);
        if (row.file === undefined) void showContent(panel, row, app);
      },
    });
    const search = h('input', { type: 'search', placeholder: 'Kind, name or state', 'aria-label': 'Filter objects' });
    search.value = query.get('search') ?? '';
    const total = h('p', { class: 'total', role: 'status' });
    const edit =
      app.server.admin &&
      button(ofControlPlane ? 'New' : 'Edit', () => void openEditor(app, namesOf(last)), { class: 'primary' });
    root.append(h('div', { class: 'bar' }, search, total, ...(edit ? [edit] : [])), table.element);
    const draw = (): void => {
      const all = [...(last?.of<ObjectRow>('objects') ?? [])];
      const wanted = search.value.toLowerCase();
      const found = all.filter(([key, row]) => `${key} ${wordOf(row)}`.toLowerCase().includes(wanted));
      table.show(found);
      const left = last?.omitted('objects') ?? 0;
      total.textContent = `${found.length === all.length ? '' : `${found.length} of `}${count(all.length, 'object')}${left > 0 ? ' and more' : ''}`;
      const row = open && last?.of<ObjectRow>('objects').get(open.key);
      if (open && row) fill(open.facts, ...describe(row));
    };
    search.addEventListener('input', draw);
    app.follow({
      topics: ['objects'],
      onChange: (lists) => {
        last = lists;
        draw();
      },
    });
  },
};

/** How an object fares. */
export function wordOf({ state = '', file }: ObjectRow): string {
  return file === undefined ? state : 'Invalid';
}

export function faultsOf({ status, faults = [] }: ObjectRow): readonly Fault[] {
  return [...faults, ...(status?.faults ?? [])];
}

function faultText(row: ObjectRow): string {
  const { reason = '', status } = row;
  const [first] = faultsOf(row);
  if (first) return `${first.path}: expected ${first.expected}, found ${first.found}`;
  return status?.failed[0] ? `${status.failed[0].proxy}: ${status.failed[0].message}` : reason;
}

function progressOf({ status }: ObjectRow): string {
  return status === undefined ? '' : `${status.serving} of ${status.selected}`;
}

function describe(row: ObjectRow): Node[] {
  const { source, labels = {}, revision, changed_at, reason, status } = row;
  const faults = faultsOf(row);
  const warnings = status?.warnings ?? [];
  const failed = status?.failed ?? [];
  return [
    facts([
      ['State', badge(wordOf(row))],
      ['Why', reason],
      ['Proxies', status && `for ${status.selected}; taken by ${status.acked}, serving in ${status.serving}`],
      ['Rollout', status?.rollout && `${status.rollout.state} at ${status.rollout.percent} %`],
      ['From', source],
      ['Shadowed by', status?.shadowed_by],
      [
        'Labels',
        Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(', '),
      ],
      ['Revision', revision === undefined || revision === 0 ? '' : String(revision)],
      ['Changed', ago(changed_at)],
    ]),
    ...faults.map(({ path, expected, found }) =>
      h('p', { class: 'problem' }, `${path}: expected ${expected}, found ${found}`),
    ),
    ...warnings.map(({ path, expected, found }) =>
      h('p', { class: 'warning' }, `warning: ${path}: expected ${expected}, found ${found}`),
    ),
    ...(failed.length === 0
      ? []
      : [
          plainTable(
            ['Proxy', 'Kind', 'What'],
            failed.map(({ proxy, kind, message }) => [proxy, badge(kind), message]),
          ),
        ]),
  ];
}

async function showContent(panel: Panel, row: ObjectRow, app: App): Promise<void> {
  const { kind, name, source = '' } = row;
  if (!isControlPlane(app.server)) {
    panel.body.append(h('h3', {}, 'Content'), h('pre', { tabindex: 0 }, JSON.stringify(row.spec, null, 2)));
    return;
  }
  try {
    const text = await (await ask(`/api/v1/manifest?${new URLSearchParams({ kind, name }).toString()}`)).text();
    const isOwn = source === 'api' && !kind.includes('/');
    if (!app.server.admin || !isOwn) {
      panel.body.append(h('h3', {}, 'Content'), h('pre', { tabindex: 0 }, text));
      return;
    }
    addEditor(panel, manifestEditor(text));
    const danger = button('Delete', () => remove(panel, { kind, name }), { class: 'danger' });
    panel.body.append(h('div', { class: 'actions' }, danger));
  } catch (error) {
    panel.body.append(
      h('p', { class: 'problem', role: 'alert' }, error instanceof Error ? error.message : String(error)),
    );
  }
}

function namesOf(lists: Lists | undefined): string[] {
  return [...(lists?.of<ObjectRow>('objects') ?? [])].map(([, { name }]) => name);
}

/** `names`: of the objects that there are. */
async function openEditor(app: App, names: readonly string[]): Promise<void> {
  if (isControlPlane(app.server)) {
    addEditor(openPanel('New objects'), manifestEditor(exampleOf(names)));
    return;
  }
  const panel = openPanel("The proxy's own configuration");
  const { body } = panel;
  body.append(
    h(
      'p',
      { class: 'hint' },
      'It counts until the proxy ends or its file is loaded again: put what shall stay into the file.',
    ),
  );
  try {
    const text = await (await ask('/api/v1/config?format=yaml')).text();
    const post = (query: string, value: string): Promise<Changes> =>
      send('POST', `/api/v1/config${query}`, value) as Promise<Changes>;
    const shown = text.trim() === '{}' ? exampleOf(names) : text;
    addEditor(
      panel,
      editor({
        text: shown,
        hasMessage: false,
        check: (value) => post('?dry_run=true', value),
        apply: (value) => post('', value),
      }),
    );
  } catch (error) {
    body.append(h('p', { class: 'problem', role: 'alert' }, error instanceof Error ? error.message : String(error)));
  }
}

/** What is written in it is not lost by accident. */
function addEditor(panel: Panel, { element, isUnsaved }: Editor): void {
  panel.body.append(element);
  panel.guard(isUnsaved);
}

function manifestEditor(text: string): Editor {
  const post = (value: string, query: Readonly<Record<string, string>>): Promise<Changes> =>
    send('POST', `/api/v1/manifest?${new URLSearchParams(query).toString()}`, value) as Promise<Changes>;
  return editor({
    text,
    hasMessage: true,
    check: (value) => post(value, { dry_run: 'true' }),
    apply: (value, message) => post(value, { message }),
  });
}

/** What it would leave without is told before. */
function remove(panel: { close: () => void }, key: { readonly kind: string; readonly name: string }): void {
  call<Changes>('Delete', { keys: [key], dry_run: true }).then(
    (found) =>
      confirm(`Delete ${key.kind} ${key.name}?`, [changesView({ ...found, changes: [] })], 'Delete', async () => {
        await call('Delete', { keys: [key], message: 'deleted in the dashboard' });
        panel.close();
      }),
    (error: unknown) => confirm('It can not be deleted', [h('p', {}, String(error))], 'Close', () => Promise.resolve()),
  );
}
