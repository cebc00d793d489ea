/** The topology as a graph: listeners, rules with their routes, clusters, endpoints, in columns, with what passes between them. */
import type { Traffic } from '../types.ts';

export interface GraphNode {
  /** What it is and its names, line by line. */
  readonly id: string;
  readonly column: number;
  readonly title: string;
  readonly detail: string;
  readonly weight: number;
  /** Sessions failed a second. */
  readonly failing: number;
  /** Where it is drawn: its upper left corner, in px. */
  x: number;
  y: number;
}

export interface GraphEdge {
  readonly from: GraphNode;
  readonly to: GraphNode;
  /** A second. */
  opened: number;
  failed: number;
  bytes: number;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly width: number;
  readonly height: number;
  /** Nodes that there is no room for, those with the least traffic. */
  readonly left: number;
}

export const NODE = { width: 190, height: 46 };
const GAP = { x: 130, y: 14 };
/** Of a column. */
const MAX_NODES = 40;

/** `focus`: only what is on a way with this node. */
export function graphOf(items: readonly Traffic[], focus?: string): Graph {
  const paths = items.filter(({ type }) => type === 'path');
  const endpoints = items.filter(({ type }) => type === 'endpoint');
  const details = new Map(items.map((item) => [idOf(item), item]));
  const edges = new Map<string, GraphEdge>();
  const nodes = new Map<string, GraphNode>();

  const node = (
    column: number,
    id: string,
    title: string,
    detail: string,
    { rates }: Traffic,
    weight: number,
  ): GraphNode => {
    const known = nodes.get(id);
    const made = {
      id,
      column,
      title,
      detail,
      weight: (known?.weight ?? 0) + weight,
      failing: (known?.failing ?? 0) + rates.failed,
      x: column * (NODE.width + GAP.x),
      y: 0,
    };
    if (known) return Object.assign(known, { weight: made.weight, failing: made.failing });
    nodes.set(id, made);
    return made;
  };
  const edge = (from: GraphNode, to: GraphNode, { rates }: Traffic): void => {
    const key = `${from.id}\n${to.id}`;
    const known = edges.get(key) ?? { from, to, opened: 0, failed: 0, bytes: 0 };
    known.opened += rates.opened;
    known.failed += rates.failed;
    known.bytes += rates.bytes_in + rates.bytes_out;
    edges.set(key, known);
  };

  const focused = endpoints.find((endpoint) => idOf(endpoint) === focus)?.cluster;
  const wanted = paths.filter((path) => focus === undefined || path.cluster === focused || idsOf(path).includes(focus));
  for (const path of wanted) {
    const weight = 1 + path.rates.opened * 1000 + path.rates.bytes_in + path.rates.bytes_out + path.active;
    const listener = details.get(`listener\n${path.listener}`);
    const from = node(
      0,
      `listener\n${path.listener}`,
      path.listener,
      listener ? `${listener.detail} ${listener.address}` : 'gone',
      path,
      weight,
    );
    const rule = node(
      1,
      ruleIdOf(path),
      path.rule || 'no rule',
      path.route === '' ? 'answered here' : `route ${path.route}`,
      path,
      weight,
    );
    edge(from, rule, path);
    if (path.cluster === '') continue;
    const cluster = details.get(`cluster\n${path.cluster}`);
    const to = node(2, `cluster\n${path.cluster}`, path.cluster, cluster?.detail ?? 'missing', path, weight);
    edge(rule, to, path);
  }
  for (const endpoint of endpoints) {
    const cluster = nodes.get(`cluster\n${endpoint.cluster}`);
    if (cluster === undefined || (focus?.startsWith('endpoint\n') && focus !== idOf(endpoint))) continue;
    const weight = 1 + endpoint.rates.opened * 1000 + endpoint.rates.bytes_in + endpoint.rates.bytes_out;
    const title = endpoint.address === '' ? endpoint.endpoint : endpoint.address;
    edge(cluster, node(3, idOf(endpoint), title, endpoint.detail, endpoint, weight), endpoint);
  }
  return place([...nodes.values()], [...edges.values()]);
}

/** What an item is called among nodes. Names have spaces, and no ends of lines. */
function idOf(item: Traffic): string {
  return item.type === 'endpoint'
    ? `endpoint\n${item.cluster}\n${item.endpoint}`
    : `${item.type}\n${item.type === 'cluster' ? item.cluster : item.listener}`;
}

function ruleIdOf({ rule, route, listener }: Traffic): string {
  return rule === '' ? `no rule\n${listener}` : `rule\n${rule}\n${route}`;
}

function idsOf(path: Traffic): string[] {
  return [`listener\n${path.listener}`, ruleIdOf(path), `cluster\n${path.cluster}`];
}

/** The busiest of each column, each about as high as those that lead to it. */
function place(all: readonly GraphNode[], edges: readonly GraphEdge[]): Graph {
  const columns = [0, 1, 2, 3].map((column) =>
    all
      .filter((each) => each.column === column)
      .sort((one, other) => other.weight - one.weight)
      .slice(0, MAX_NODES),
  );
  let height = NODE.height;
  columns.forEach((nodes, column) => {
    if (column > 0) {
      const heights = new Map(
        nodes.map((node) => [node, middle(edges.filter(({ to }) => to === node).map(({ from }) => from.y))]),
      );
      nodes.sort(
        (one, other) => (heights.get(one) ?? 0) - (heights.get(other) ?? 0) || one.title.localeCompare(other.title),
      );
    } else nodes.sort((one, other) => one.title.localeCompare(other.title));
    nodes.forEach((node, index) => (node.y = index * (NODE.height + GAP.y)));
    height = Math.max(height, nodes.length * (NODE.height + GAP.y) - GAP.y);
  });
  const shown = new Set(columns.flat());
  return {
    nodes: [...shown],
    edges: edges.filter(({ from, to }) => shown.has(from) && shown.has(to)),
    width: 4 * NODE.width + 3 * GAP.x,
    height,
    left: all.length - shown.size,
  };
}

function middle(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
