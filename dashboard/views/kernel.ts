/** What the kernel relays, and why it does not relay the rest. */
import { badge, facts, fill, h } from '../dom.ts';
import { size } from '../format.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { Traffic } from '../types.ts';
import { isControlPlane, type View } from '../view.ts';
import { plainTable } from './proxies.ts';

export const kernel: View = {
  id: 'kernel',
  title: 'Kernel',
  isFor: () => true,
  show: (root, app) => {
    if (isControlPlane(app.server)) {
      const tables = ofProxies();
      root.append(...tables.elements);
      app.follow({ topics: ['offload'], onChange: tables.show });
    } else {
      const own = ofOne();
      root.append(...own.elements);
      app.follow({ topics: ['offload'], onChange: own.show });
    }
  },
};

type Piece = Traffic & { readonly proxy: string };

function ofProxies() {
  const relayed = new Table<Piece>({
    label: 'What the kernel relays',
    empty: 'No proxy that reports here has the kernel relay sessions (admin.offload: init).',
    sort: { title: 'Now', down: true },
    columns: [
      { title: 'Proxy', text: ({ proxy }) => proxy },
      { title: 'Transport', text: ({ detail }) => detail },
      { title: 'Now', text: ({ active }) => String(active), value: ({ active }) => active, look: 'number' },
      { title: 'Given to it', text: ({ opened }) => String(opened), value: ({ opened }) => opened, look: 'number' },
    ],
  });
  const refused = new Table<Piece>({
    label: 'What it does not relay',
    empty: 'Nothing was kept out.',
    sort: { title: 'Sessions', down: true },
    columns: [
      { title: 'Proxy', text: ({ proxy }) => proxy },
      { title: 'Reason', text: ({ detail }) => detail },
      { title: 'Sessions', text: ({ failed }) => String(failed), value: ({ failed }) => failed, look: 'number' },
    ],
  });
  return {
    elements: [h('h2', {}, 'Relayed'), relayed.element, h('h2', {}, 'Kept out, by reason'), refused.element],
    show: (lists: Lists): void => {
      const all = [...lists.of<Piece>('offload')];
      relayed.show(all.filter(([, { type }]) => type === 'kernel'));
      refused.show(all.filter(([, { type }]) => type === 'refusal'));
    },
  };
}

interface Engine {
  readonly enabled: boolean;
  readonly reason?: string;
  readonly attachment?: string;
  readonly interfaces?: readonly string[];
  readonly flows?: number;
  readonly capacity?: number;
}

interface Offload extends Engine {
  readonly handovers: number;
  readonly handbacks: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly tcp?: Engine;
}

interface Flow {
  readonly session: string;
  readonly listener: string;
  readonly state: string;
  readonly reason?: string;
  readonly packets: number;
  readonly bytes: number;
}

function ofOne() {
  const engine = h('div');
  const refusals = h('div');
  const flows = new Table<Flow>({
    label: 'Sessions by the way they take',
    empty: 'No session is in the kernel, and none was kept out.',
    sort: { title: 'Bytes', down: true },
    columns: [
      { title: 'Session', text: ({ session }) => session },
      { title: 'Way', text: ({ state }) => state, look: 'badge' },
      { title: 'Listener', text: ({ listener }) => listener, wide: true },
      { title: 'Packets', text: ({ packets }) => String(packets), value: ({ packets }) => packets, look: 'number' },
      { title: 'Bytes', text: ({ bytes }) => size(bytes), value: ({ bytes }) => bytes, look: 'number' },
      { title: 'Why', text: ({ reason = '' }) => reason, wide: true },
    ],
  });
  return {
    elements: [engine, h('h2', {}, 'Kept out, by reason'), refusals, h('h2', {}, 'Sessions'), flows.element],
    show: (lists: Lists): void => {
      const all = lists.of<Offload | Flow>('offload');
      const own = all.get('engine') as Offload | undefined;
      if (own !== undefined) {
        fill(
          engine,
          facts([
            ['UDP', engineText(own)],
            ['TCP', own.tcp && engineText(own.tcp)],
            ['Given to the kernel', String(own.handovers)],
            ['Taken back', String(own.handbacks)],
          ]),
        );
        const reasons = Object.entries(own.refusals);
        fill(
          refusals,
          reasons.length === 0
            ? h('p', { class: 'empty' }, 'None.')
            : plainTable(
                ['Reason', 'Sessions'],
                reasons.map(([reason, sessions]) => [reason, String(sessions)]),
              ),
        );
      }
      flows.show([...all].filter(([key]) => key.startsWith('session ')) as [string, Flow][]);
    },
  };
}

function engineText({ enabled, reason = '', attachment = '', interfaces = [], flows = 0, capacity = 0 }: Engine): Node {
  if (!enabled) return h('span', {}, badge('off'), ` ${reason}`);
  const where = interfaces.length === 0 ? '' : ` at ${interfaces.join(', ')}`;
  return h('span', {}, badge('kernel'), ` ${flows} of ${capacity} sessions, by ${attachment}${where}`);
}
