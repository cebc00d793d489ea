/** The page: its views, its connection, and who looks at it. */
import { ApiError, get } from './api.ts';
import { button, fill, h, setText } from './dom.ts';
import { follow, type LinkState } from './live.ts';
import { Navigation } from './navigation.ts';
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
    onEnd: (end) => void ends.push(end),
    go: (view, query = {}) => navigation.go(view, query),
    opens: (opener) => navigation.opens(opener),
    open: (key) => navigation.open(key),
    keep: (name, value) => navigation.keep(name, value),
  };
  const viewOf = (id: string): View | undefined => views.find((each) => each.id === id) ?? views[0];
  const show = (id: string, query: URLSearchParams): void => {
    for (const end of ends) end();
    ends = [];
    const view = viewOf(id);
    if (view === undefined) return;
    fill(
      element('tabs'),
      ...views.map((each) =>
        h('li', {}, h('a', { href: `#${each.id}`, ...(each === view && { 'aria-current': 'page' }) }, each.title)),
      ),
    );
    document.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const heading = h('h1', {}, view.title);
    const root = h('div', { class: `view ${view.id}` });
    fill(content, heading, root);
    view.show(root, app, query);
  };
  const navigation = new Navigation(show, ({ view, open }) => {
    document.title = [open, viewOf(view)?.title, 'l7mp'].filter((each) => each !== undefined).join(' · ');
  });
  navigation.start();
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
// By the fragment it would lead to a view of that name.
element('skip').addEventListener('click', (event) => {
  event.preventDefault();
  content.focus();
});
switchTheme(element('theme'));
void start();
