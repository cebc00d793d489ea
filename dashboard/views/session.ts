/** One session: what became of it and why, in the order of its life, and a way to end it. */
import { ApiError, get, send } from '../api.ts';
import { confirm, openPanel, type Panel } from '../dialog.ts';
import { badge, button, facts, fill, h } from '../dom.ts';
import { addressText, duration, size } from '../format.ts';
import type { Session, Stage } from '../types.ts';
import type { App } from '../view.ts';

const PACE_MS = 1000;
const PATIENCE_MS = 4000;
const GONE = 'It has ended, and is not kept (options.track of its listener keeps sessions for a while).';

/** Shows it until the panel is closed. `proxy`: of which proxy of a control plane it is. */
export function openSession(name: string, proxy: string | undefined, app: App): Panel {
  const panel = openPanel(name);
  const { body } = panel;
  fill(body, h('p', {}, '…'));
  const path = `/sessions/${encodeURIComponent(name)}`;
  const kill = (): void =>
    confirm(`End this session?`, [h('p', {}, name)], 'End it', async () => {
      await send(
        'DELETE',
        proxy === undefined ? `/api/v1${path}` : `/api/v1/proxies/${encodeURIComponent(proxy)}${path}`,
      );
    });
  let isShown = false;
  const show = (session: Session): void => {
    isShown = true;
    const open = body.querySelector('details')?.open ?? false;
    const { activeElement } = document;
    // There is one of each that can have the focus.
    const focused = body.contains(activeElement) ? activeElement?.localName : undefined;
    fill(body, ...describe(session, app.server.admin ? kill : undefined));
    const details = body.querySelector('details');
    if (details) details.open = open;
    if (focused !== undefined) body.querySelector<HTMLElement>(focused)?.focus({ preventScroll: true });
  };
  const tellGone = (): void => {
    if (body.querySelector('.gone') === null) body.prepend(h('p', { class: 'problem gone', role: 'status' }, GONE));
    body.querySelector('button.danger')?.remove();
  };
  if (proxy !== undefined) {
    // What is asked of the proxy comes with its next report, or the one after that.
    const patience = setTimeout(() => {
      if (!isShown) fill(body, h('p', { class: 'problem', role: 'status' }, GONE));
    }, PATIENCE_MS);
    const leave = app.follow({
      topics: ['sessions'],
      query: { proxy, detail: name },
      onChange: (lists) => {
        const found = lists.of<{ readonly detail: Session }>('sessions').get(`detail ${name}`);
        if (found !== undefined) show(found.detail);
        else if (isShown) tellGone();
      },
    });
    panel.onClose(() => {
      clearTimeout(patience);
      leave();
    });
    return panel;
  }
  const problem = h('p', { class: 'problem', role: 'alert' });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  panel.onClose(() => {
    isOver = true;
    clearTimeout(timer);
  });
  // The next look is made when the one before it was answered: a proxy that is slow is not asked more.
  const look = async (): Promise<void> => {
    try {
      show(await get<Session>(`/api/v1${path}`));
    } catch (error) {
      if (isGone(error)) {
        if (isShown) tellGone();
        else fill(body, h('p', { class: 'problem', role: 'status' }, GONE));
        return;
      }
      problem.textContent = error instanceof Error ? error.message : String(error);
      if (!problem.isConnected) body.prepend(problem);
    }
    if (!isOver) timer = setTimeout(() => void look(), PACE_MS);
  };
  void look();
  return panel;
}

/** As the REST API says it. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.message === 'Not Found';
}

function describe(session: Session, kill: (() => void) | undefined): Node[] {
  const { status, source, destination, ingress, egress, rulelist, rule, route, retries, reason, events } = session;
  const ended = session.ended_at ?? Date.now();
  const { offload, counters } = session;
  return [
    facts([
      ['State', h('span', {}, badge(status), reason === undefined ? '' : ` ${reason}`)],
      ['Lasted', duration(ended - session.started_at)],
      ['Listener', source.origin],
      [
        'Rule',
        rule === undefined
          ? 'none matched'
          : `${rule}, the first of ${rulelist ?? ''} that matches${route === undefined ? '' : `; it names route ${route}`}`,
      ],
      ...ingress.map((stage) => ['On the way in', stageText(stage)] as const),
      ['To', destination === undefined ? 'nowhere' : stageText(destination)],
      ...egress.map((stage) => ['On the way back', stageText(stage)] as const),
      ['From the client', trafficText(counters.ingress)],
      ['To the client', trafficText(counters.egress)],
      ['Packets pass', offload.state === 'kernel' ? 'the kernel alone' : `user space: ${offload.reason ?? ''}`],
      ['Retries', retries === 0 ? '' : String(retries)],
    ]),
    h('h3', {}, 'Timeline'),
    h(
      'ol',
      { class: 'timeline' },
      ...events.map(({ event, timestamp, message, content }) =>
        h(
          'li',
          {},
          h('span', { class: 'when' }, `+${Date.parse(timestamp) - session.started_at} ms`),
          h('strong', {}, event),
          ` ${message}`,
          content === '' || content === undefined || content === null
            ? undefined
            : h('code', {}, ` ${JSON.stringify(content)}`),
        ),
      ),
    ),
    h(
      'details',
      {},
      h('summary', {}, 'Metadata'),
      h('pre', { tabindex: 0 }, JSON.stringify(session.metadata, null, 2)),
    ),
    ...(kill && status !== 'DESTROYED'
      ? [h('div', { class: 'actions' }, button('End this session', kill, { class: 'danger' }))]
      : []),
  ];
}

function stageText({ origin, endpoint, status, attempts }: Stage): string {
  const { address = '', port } = endpoint?.spec ?? {};
  const where = endpoint === undefined ? '' : `, endpoint ${endpoint.name} at ${addressText(address, port)}`;
  return `cluster ${origin}${where}: ${status}${attempts > 1 ? ` after ${attempts} attempts` : ''}`;
}

function trafficText({ bytes, packets, dropped }: Session['counters']['ingress']): string {
  return `${size(bytes)} in ${packets} chunks${dropped === 0 ? '' : `, ${dropped} dropped`}`;
}
