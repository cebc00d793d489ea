/** What is wrong, and what went wrong a while ago: of objects, of proxies, of sessions. */
import { clock } from '../format.ts';
import { h } from '../dom.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { FaultRow, FileFault, ObjectRow, ProxyRow } from '../types.ts';
import { isControlPlane, type View } from '../view.ts';
import { faultsOf } from './objects.ts';
import { type Found, remember, type Row } from './remembered.ts';

/** Lives as long as the page: what was healed is remembered. */
const seen = new Map<string, Row>();

export const faults: View = {
  id: 'faults',
  title: 'Faults',
  isFor: () => true,
  show: (root, app) => {
    const table = new Table<Row>({
      label: 'Faults',
      empty: 'Nothing is wrong, as far as is known here.',
      sort: { title: 'Since', down: true },
      columns: [
        { title: 'What', text: ({ what }) => what },
        { title: 'Kind', text: ({ of }) => of, wide: true },
        {
          title: 'Now',
          text: ({ gone, of }) => (of === 'session' ? 'ended' : gone ? 'healed' : 'failed'),
          look: 'badge',
        },
        { title: 'Where', text: ({ where }) => where, wide: true },
        { title: 'Message', text: ({ message }) => message },
        { title: 'Since', text: ({ time }) => clock(time), value: ({ time }) => time, wide: true },
      ],
      onOpen: (_key, { at: { view, query } }) => app.go(view, query),
    });
    const hint = h('p', { class: 'hint' });
    hint.textContent =
      'Faults of objects, proxies and the configuration file are listed since this page was opened, healed or not; failed sessions are the last 20 of each proxy.';
    root.append(hint, table.element);
    app.follow({
      topics: isControlPlane(app.server) ? ['objects', 'proxies', 'faults'] : ['objects', 'status', 'faults'],
      onChange: (lists) => {
        note(lists, app.server.admin);
        table.show(seen);
      },
    });
  },
};

/** `admin`: whether who looks may see sessions. */
function note(lists: Lists, admin: boolean): void {
  const now = new Map<string, Found>();
  for (const [key, row] of lists.of<ObjectRow>('objects')) {
    const what = `${row.kind}/${row.name}`;
    const at = { view: 'objects', query: { open: key } };
    for (const { path, expected, found } of faultsOf(row))
      now.set(`${key} ${path}`, {
        of: 'object',
        what,
        where: path,
        message: `expected ${expected}, found ${found}`,
        at,
      });
    for (const { proxy, message } of row.status?.failed ?? [])
      now.set(`${key} in ${proxy}`, { of: 'object', what, where: proxy, message, at });
    if (row.state === 'failed')
      now.set(`${key} failed`, { of: 'object', what, where: '', message: row.reason ?? '', at });
  }
  for (const [id, { types }] of lists.of<ProxyRow>('proxies'))
    for (const { type_url, nack } of types)
      if (nack !== '')
        now.set(`${id} ${type_url}`, {
          of: 'proxy',
          what: id,
          where: type_url.slice(type_url.lastIndexOf('.') + 1),
          message: nack,
          at: { view: 'proxies', query: { open: id } },
        });
  const { controlplane } =
    lists
      .of<{
        readonly controlplane?: { readonly connected: boolean; readonly server: string; readonly last_error?: string };
      }>('status')
      .get('proxy') ?? {};
  if (controlplane?.connected === false)
    now.set('controlplane', {
      of: 'proxy',
      what: 'control plane',
      where: controlplane.server,
      message: controlplane.last_error ?? 'not connected',
      at: { view: 'proxies', query: {} },
    });
  for (const [key, row] of lists.of<FaultRow | FileFault>('faults'))
    now.set(key, 'file' in row ? ofFile(row) : ofSession(row, admin));
  remember(seen, now);
}

function ofFile({ file, message, time }: FileFault): Found {
  return { of: 'configuration', what: file, where: '', message, time, at: { view: 'objects', query: {} } };
}

function ofSession({ session, listener, cluster, code, message, time, proxy }: FaultRow, admin: boolean): Found {
  const ofProxy = proxy === undefined ? {} : { proxy };
  return {
    of: 'session',
    what: session,
    where: [proxy, listener, cluster].filter((each) => each !== undefined && each !== '').join(' → '),
    message: `${code}: ${message}`,
    at: admin
      ? { view: 'sessions', query: { ...ofProxy, open: session } }
      : { view: 'proxies', query: { open: proxy ?? '' } },
    ...(time !== undefined && { time }),
  };
}
