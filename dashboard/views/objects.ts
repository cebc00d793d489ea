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

/** What the address has for the editor, as it has an object's key. */
const EDITOR = 'editor';

export const objects: View = {
  id: 'objects',
  title: 'Configuration',
  isFor: () => true,
  show: (root, app, query) => {
    const ofControlPlane = isControlPlane(app.server);
    let last: Lists | undefined;
    let open: ((lists: Lists) => void) | undefined;
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
      onOpen: (key) => app.open(key),
    });
    const search = h('input', { type: 'search', placeholder: 'Kind, name or state', 'aria-label': 'Filter objects' });
    search.value = query.get('search') ?? '';
    const total = h('p', { class: 'total', role: 'status' });
    const edit =
      app.server.admin && button(ofControlPlane ? 'New' : 'Edit', () => app.open(EDITOR), { class: 'primary' });
    root.append(h('div', { class: 'bar' }, search, total, ...(edit ? [edit] : [])), table.element);
    const draw = (): void => {
      const all = [...(last?.of<ObjectRow>('objects') ?? [])];
      const wanted = search.value.toLowerCase();
      const found = all.filter(([key, row]) => `${key} ${wordOf(row)}`.toLowerCase().includes(wanted));
      table.show(found);
      const left = last?.omitted('objects') ?? 0;
      total.textContent = `${found.length === all.length ? '' : `${found.length} of `}${count(all.length, 'object')}${left > 0 ? ' and more' : ''}`;
      if (last !== undefined) open?.(last);
    };
    app.opens((key) => {
      const { panel, update } = key === EDITOR && app.server.admin ? openEditor(app) : openObject(key, app);
      open = update;
      if (last !== undefined) update(last);
      panel.onClose(() => {
        if (open === update) open = undefined;
      });
      return panel;
    });
    search.addEventListener('input', () => {
      draw();
      app.keep('search', search.value);
    });
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
function wordOf({ state = '', file }: ObjectRow): string {
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

/** A panel, and what is called when there are other lists. */
interface Opened {
  readonly panel: Panel;
  readonly update: (lists: Lists) => void;
}

function openObject(key: string, app: App): Opened {
  const panel = openPanel(key);
  const known = h('div', {}, h('p', {}, '…'));
  panel.body.append(known);
  let isThere = false;
  return {
    panel,
    update: (lists) => {
      const row = lists.of<ObjectRow>('objects').get(key);
      if (row === undefined) {
        const left =
          lists.omitted('objects') > 0 ? 'It is not among those that are listed.' : 'There is no such object.';
        fill(known, h('p', { class: 'problem', role: 'status' }, left));
        return;
      }
      fill(known, ...describe(row));
      if (isThere) return;
      isThere = true;
      panel.entitle(`${row.kind} ${row.name}`);
      if (row.file === undefined) void showContent(panel, row, app);
    },
  };
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

/** An editor of new objects; of a proxy's page, of all that is its own. */
function openEditor(app: App): Opened {
  const isOfMany = isControlPlane(app.server);
  const panel = openPanel(isOfMany ? 'New objects' : "The proxy's own configuration");
  let isShown = false;
  return {
    panel,
    update: (lists) => {
      if (isShown) return;
      isShown = true;
      const names = [...lists.of<ObjectRow>('objects').values()].map(({ name }) => name);
      if (isOfMany) addEditor(panel, manifestEditor(exampleOf(names)));
      else void showOwnEditor(panel, names);
    },
  };
}

/** `names`: of the objects that there are. */
async function showOwnEditor(panel: Panel, names: readonly string[]): Promise<void> {
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
