/** The page: its views by the address, its connection, and who looks at it. */
import { ApiError, get } from './api.ts';
import { button, fill, h, setText } from './dom.ts';
import { follow, type LinkState } from './live.ts';
import { onSignedOut, signIn } from './sign-in.ts';
import { switchTheme } from './theme.ts';
import type { Server } from './types.ts';
import type { App, View } from './view.ts';
import { faults } from './views/faults.ts';
import { history } from './views/history.ts';
import { kernel } from './views/kernel.ts';
import { objects } from './views/objects.ts';
import { proxies } from './views/proxies.ts';
import { sessions } from './views/sessions.ts';
import { topology } from './views/topology.ts';

const VIEWS: readonly View[] = [topology, proxies, sessions, kernel, objects, history, faults];

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
};
const content = element('content');
const link = element('link');

/** What was not possible before somebody has signed in. */
let startAgain = (): void => undefined;

/** What ends with the view that is shown. */
let ends: (() => void)[] = [];

function onLink(state: LinkState, why: string): void {
  setText(link, { connecting: 'connecting …', live: 'live', lost: `not live: ${why}` }[state]);
  link.className = state;
}

async function start(): Promise<void> {
  let server: Server;
  try {
    server = await get<Server>('/api/v1/dashboard');
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      fill(content, h('p', { class: 'empty' }, 'This server shows nothing to who is not signed in.'));
      startAgain = () => void start();
      return;
    }
    fill(content, h('p', { class: 'problem', role: 'alert' }, error instanceof Error ? error.message : String(error)));
    return;
  }
  const views = VIEWS.filter(({ isFor }) => isFor(server));
  setText(
    element('server'),
    `${server.server === 'proxy' ? 'proxy' : 'control plane'} ${server.version}${server.identity === '' ? '' : `, ${server.identity}`}`,
  );
  const app: App = {
    server,
    follow: (follower) => {
      const end = follow(follower, onLink);
      ends.push(end);
      return end;
    },
    go: (view, query = {}) => {
      const text = new URLSearchParams(query).toString();
      location.hash = text === '' ? view : `${view}?${text}`;
    },
  };
  const show = (): void => {
    for (const end of ends) end();
    ends = [];
    for (const dialog of document.querySelectorAll<HTMLDialogElement>('dialog:not(.sign-in)')) dialog.close();
    const [id = '', query = ''] = location.hash.slice(1).split('?');
    const view = views.find((each) => each.id === id) ?? views[0];
    if (view === undefined) return;
    fill(
      element('tabs'),
      ...views.map((each) =>
        h('li', {}, h('a', { href: `#${each.id}`, ...(each === view && { 'aria-current': 'page' }) }, each.title)),
      ),
    );
    document.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    document.title = `${view.title} · l7mp`;
    const heading = h('h1', {}, view.title);
    const root = h('div', { class: `view ${view.id}` });
    fill(content, heading, root);
    view.show(root, app, new URLSearchParams(query));
  };
  window.addEventListener('hashchange', show);
  show();
}

const signInButton = button('Sign in', () => void signIn('The server wants a token.', false));
onSignedOut((isOut) => {
  if (isOut) link.after(signInButton);
  else {
    signInButton.remove();
    startAgain();
    startAgain = () => undefined;
  }
});
switchTheme(element('theme'));
void start();
