/** Who changed what, when and why, and the way back. */
import { call, get } from '../api.ts';
import { changesView } from '../changes.ts';
import { confirm, openPanel, type Panel } from '../dialog.ts';
import { badge, button, facts, fill, h } from '../dom.ts';
import { ago, clock, count } from '../format.ts';
import type { Changes } from '../types.ts';
import { type App, isControlPlane, type View } from '../view.ts';
import { plainTable } from './proxies.ts';

interface Version {
  readonly number: number;
  readonly time?: string;
  readonly author: string;
  readonly message: string;
  readonly changes: readonly {
    readonly key: { readonly kind: string; readonly name: string };
    readonly action: string;
  }[];
}

interface Rollout {
  readonly id: string;
  readonly state: string;
  readonly percent: number;
  readonly updated: number;
  readonly selected: number;
  readonly author: string;
  readonly reason: string;
  readonly started_at?: string;
  readonly objects: number;
}

const PAGE = 50;

export const history: View = {
  id: 'history',
  title: 'History',
  isFor: isControlPlane,
  show: (root, app) => {
    const rollouts = h('div');
    const list = h('ol', { class: 'versions' });
    const more = button('Older', () => void load(before), { hidden: true });
    const problem = h('p', { class: 'problem', role: 'alert' });
    root.append(rollouts, h('h2', {}, 'Versions'), list, problem, more);
    let before = 0;
    /** Rises with each question: what is answered to one that another has overtaken isn't shown. */
    let turn = 0;
    const load = async (from: number): Promise<void> => {
      const own = ++turn;
      try {
        const { versions } = await call<{ readonly versions: readonly Version[] }>('ListVersions', {
          page_size: PAGE,
          before: from,
        });
        if (own !== turn) return;
        if (from === 0) fill(list);
        list.append(...versions.map((version) => rowOf(version, app)));
        before = versions.at(-1)?.number ?? from;
        more.hidden = versions.length < PAGE;
        if (list.childElementCount === 0) list.append(h('li', { class: 'empty' }, 'Nothing was changed yet.'));
        problem.textContent = '';
      } catch (error) {
        if (own === turn) problem.textContent = error instanceof Error ? error.message : String(error);
      }
    };
    const again = (): void => void load(0);
    app.opens((key) => {
      const panel = openPanel(`Version ${key}`);
      void showVersion(panel, Number(key), app, again);
      return panel;
    });
    // Each change of an object is a version, or a rollout's.
    let seen = '';
    app.follow({
      topics: ['rollouts', 'status'],
      onChange: (lists) => {
        const all = [...lists.of<Rollout>('rollouts').values()];
        fill(rollouts, ...(all.length === 0 ? [] : [h('h2', {}, 'Rollouts'), rolloutTable(all, app)]));
        const { revision = 0 } = lists.of<{ readonly revision: number }>('status').get('controlplane') ?? {};
        if (`${revision}` !== seen) again();
        seen = `${revision}`;
      },
    });
  },
};

function rowOf({ number, time, author, message, changes }: Version, app: App): HTMLElement {
  return h(
    'li',
    {},
    button(`Version ${number}`, () => app.open(String(number)), { class: 'open' }),
    h('span', { class: 'why' }, message === '' ? 'no reason given' : message),
    h('span', { class: 'who' }, `${author}, ${ago(time)}, ${count(changes.length, 'object')}`),
  );
}

async function showVersion(panel: Panel, number: number, app: App, done: () => void): Promise<void> {
  const { body, close } = panel;
  try {
    const found = await get<Changes & Omit<Version, 'changes'>>(`/api/v1/version?number=${number}`);
    const { time, author, message } = found;
    const undo = (to: number, title: string, action: string): HTMLElement =>
      button(action, () => {
        askRollback(to, title, () => {
          close();
          done();
        });
      });
    fill(
      body,
      facts([
        ['When', clock(time)],
        ['Who', author],
        ['Why', message],
      ]),
      ...(app.server.admin
        ? [
            h(
              'div',
              { class: 'actions' },
              undo(number, `Go back to what was after version ${number}?`, 'Go back to this version'),
            ),
          ]
        : []),
      h('h3', {}, 'What it changed'),
      changesView({ ...found, warnings: [] }),
    );
  } catch (error) {
    body.append(h('p', { class: 'problem', role: 'alert' }, error instanceof Error ? error.message : String(error)));
  }
}

function askRollback(number: number, title: string, done: () => void): void {
  call<Changes>('Rollback', { number, dry_run: true }).then(
    (found) => {
      const different = found.changes.filter(({ action }) => action !== 'unchanged');
      const words =
        different.length === 0
          ? [h('p', {}, 'That is what there is: it changes nothing.')]
          : [
              h('p', {}, 'This is a change itself, which can be taken back. It changes:'),
              h(
                'ul',
                {},
                ...different.map(({ key, action }) => h('li', {}, badge(action), ` ${key.kind}/${key.name}`)),
              ),
            ];
      confirm(title, words, 'Go back', async () => {
        await call('Rollback', { number, message: `back to version ${number}` });
        done();
      });
    },
    (error: unknown) => {
      confirm(
        title,
        [h('p', { class: 'problem' }, error instanceof Error ? error.message : String(error))],
        'Close',
        () => Promise.resolve(),
      );
    },
  );
}

function rolloutTable(all: readonly Rollout[], app: App): HTMLElement {
  return plainTable(
    ['Rollout', 'State', 'Proxies', 'Why', 'Begun', ''],
    all.map(({ id, state, percent, updated, selected, reason, started_at, author }) => [
      id,
      h('span', {}, badge(state), ` ${percent} %`),
      `${updated} of ${selected}`,
      reason,
      `${ago(started_at)} by ${author}`,
      app.server.admin && (state === 'progressing' || state === 'paused') ? rolloutActions(id, state) : '',
    ]),
  );
}

function rolloutActions(id: string, state: string): HTMLElement {
  const act = (action: string, label: string): HTMLElement =>
    button(label, () =>
      confirm(`${label} the rollout ${id}?`, [], label, async () => {
        await call('ControlRollout', { id, action });
      }),
    );
  return h(
    'span',
    { class: 'actions' },
    state === 'paused' ? act('resume', 'Resume') : act('pause', 'Pause'),
    act('next', 'Next step'),
    act('promote', 'To all'),
    act('abort', 'Abort'),
  );
}
