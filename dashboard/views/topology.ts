/** What passes from listeners by rules to clusters and endpoints, now: as a graph, and in numbers. */
import { button, fill, h, s } from '../dom.ts';
import { count, rate, size } from '../format.ts';
import type { Lists } from '../live.ts';
import { Table } from '../table.ts';
import type { Traffic } from '../types.ts';
import { isControlPlane, type View } from '../view.ts';
import { type Graph, type GraphEdge, type GraphNode, graphOf, NODE } from './graph.ts';

export const topology: View = {
  id: 'topology',
  title: 'Topology',
  isFor: () => true,
  show: (root, app, query) => {
    const proxy = query.get('proxy') ?? undefined;
    let focus = query.get('node') ?? undefined;
    let last: Lists | undefined;
    const summary = h('p', { class: 'total' });
    const back = h('div', { class: 'back' });
    const picture = h('div', { class: 'picture', role: 'region', 'aria-label': 'Graph', tabindex: 0 });
    const table = numbers();
    root.append(h('div', { class: 'bar' }, summary, back), picture, h('h2', {}, 'In numbers'), table.element);

    const draw = (): void => {
      if (last === undefined) return;
      const items = [...last.of<Traffic>('traffic').values()];
      summary.textContent = summaryOf(items, last, isControlPlane(app.server), proxy);
      const graph = graphOf(items, focus);
      drawGraph(picture, graph, focus, ({ id }) => choose(focus === id ? undefined : id));
      fill(
        back,
        proxy !== undefined && button('All proxies', () => app.go('topology')),
        focus !== undefined && button('Show all', () => choose(undefined)),
        graph.left > 0 && h('span', {}, `${count(graph.left, 'node')} with less traffic not drawn: choose a node`),
      );
      table.show(last.of<Traffic>('traffic'));
    };
    const choose = (node: string | undefined): void => {
      focus = node;
      draw();
      app.keep('node', node ?? '');
    };
    app.follow({
      topics: isControlPlane(app.server) ? ['traffic', 'status'] : ['traffic'],
      query: proxy === undefined ? {} : { proxy },
      onChange: (lists) => {
        last = lists;
        draw();
      },
    });
  },
};

function summaryOf(items: readonly Traffic[], lists: Lists, isOfMany: boolean, proxy: string | undefined): string {
  const listeners = items.filter(({ type }) => type === 'listener');
  const total = (value: (item: Traffic) => number): number => listeners.reduce((sum, item) => sum + value(item), 0);
  const figures = `${count(
    total(({ active }) => active),
    'session',
  )} open, ${rate(total(({ rates }) => rates.opened))} new, ${size(total(({ rates }) => rates.bytes_in))}/s in, ${size(total(({ rates }) => rates.bytes_out))}/s out, ${rate(total(({ rates }) => rates.failed))} failed`;
  if (!isOfMany) return figures;
  if (proxy !== undefined)
    return items.length === 0 ? `${proxy} tells nothing of its sessions here (yet)` : `${proxy}: ${figures}`;
  const { reporting = 0, proxies = 0 } =
    lists.of<{ reporting: number; proxies: number }>('status').get('controlplane') ?? {};
  const who = `${reporting} of ${count(proxies, 'proxy', 'proxies')} here ${reporting === 1 ? 'tells' : 'tell'} of sessions`;
  return `${who}: ${figures}`;
}

function drawGraph(
  picture: HTMLElement,
  { nodes, edges, width, height }: Graph,
  focus: string | undefined,
  choose: (node: GraphNode) => void,
): void {
  const focused = document.activeElement?.getAttribute('data-node') ?? undefined;
  if (nodes.length === 0) {
    fill(picture, h('p', { class: 'empty' }, 'There are no listeners, or nothing was told of them yet.'));
    return;
  }
  const board = h('div', { class: 'board' });
  board.style.width = `${width}px`;
  board.style.height = `${height}px`;
  const lines = s('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
  for (const edge of edges) lines.append(...lineOf(edge));
  board.append(lines);
  for (const node of nodes) {
    const element = h(
      'button',
      {
        type: 'button',
        class: `node column${node.column}${node.failing > 0 ? ' failing' : ''}`,
        'aria-pressed': String(focus === node.id),
        'data-node': node.id,
        title: `${node.title} (${node.detail})`,
        onclick: () => choose(node),
      },
      h('strong', {}, node.title),
      h('span', {}, node.detail),
    );
    element.style.left = `${node.x}px`;
    element.style.top = `${node.y}px`;
    board.append(element);
    if (node.id === focused) queueMicrotask(() => element.focus({ preventScroll: true }));
  }
  const { scrollLeft, scrollTop } = picture;
  fill(picture, board);
  picture.scrollTo(scrollLeft, scrollTop);
}

function lineOf({ from, to, opened, failed, bytes }: GraphEdge): SVGElement[] {
  const [x1, y1, x2, y2] = [from.x + NODE.width, from.y + NODE.height / 2, to.x, to.y + NODE.height / 2];
  const bend = (x2 - x1) / 2;
  const busy = opened > 0 || bytes > 0;
  const width = busy ? Math.min(10, 1.5 + Math.log10(1 + bytes)) : 1;
  const path = s('path', {
    d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    class: `edge${failed > 0 ? ' failing' : busy ? ' busy' : ''}`,
    'stroke-width': width.toFixed(1),
  });
  if (!busy) return [path];
  const words = [rate(opened), `${size(bytes)}/s`];
  const label = s('text', { x: x2 - 8, y: y2 - 6, 'text-anchor': 'end', class: 'rate' }, words.join('  '));
  return [path, label];
}

const share = ({ rates }: Traffic): number => (rates.opened === 0 ? 0 : (100 * rates.failed) / rates.opened);
const latency = ({ rates }: Traffic): number => (rates.connects === 0 ? 0 : rates.connect_ms / rates.connects);

function nameOf(item: Traffic): string {
  switch (item.type) {
    case 'listener':
      return item.listener;
    case 'cluster':
      return item.cluster;
    case 'endpoint':
      return `${item.cluster} → ${item.address === '' ? item.endpoint : item.address}`;
    case 'path':
      return [item.listener, item.rule || 'no rule', item.route, item.cluster]
        .filter((each) => each !== '')
        .join(' → ');
    default:
      return item.detail;
  }
}

function numbers() {
  return new Table<Traffic>({
    label: 'Traffic',
    empty: 'Nothing is configured, or nothing was told yet.',
    sort: { title: 'New', down: true },
    columns: [
      { title: 'Name', text: nameOf },
      { title: 'What', text: ({ type }) => type, wide: true },
      { title: 'New', text: ({ rates }) => rate(rates.opened), value: ({ rates }) => rates.opened, look: 'number' },
      { title: 'Failed', text: ({ rates }) => rate(rates.failed), value: ({ rates }) => rates.failed, look: 'number' },
      { title: 'Errors', text: (item) => `${share(item).toFixed(0)} %`, value: share, look: 'number', wide: true },
      {
        title: 'In',
        text: ({ rates }) => `${size(rates.bytes_in)}/s`,
        value: ({ rates }) => rates.bytes_in,
        look: 'number',
      },
      {
        title: 'Out',
        text: ({ rates }) => `${size(rates.bytes_out)}/s`,
        value: ({ rates }) => rates.bytes_out,
        look: 'number',
      },
      {
        title: 'Connect',
        text: (item) => (latency(item) === 0 ? '' : `${latency(item).toFixed(1)} ms`),
        value: latency,
        look: 'number',
        wide: true,
      },
      {
        title: 'Open',
        text: ({ active }) => String(active),
        value: ({ active }) => active,
        look: 'number',
        wide: true,
      },
      { title: 'All', text: ({ opened }) => String(opened), value: ({ opened }) => opened, look: 'number', wide: true },
    ],
  });
}
