import { expect } from 'chai';
import { graphOf } from '../../../../dashboard/views/graph.ts';
import { NO_RATES } from '../../../../common/web/traffic-rates.ts';
import { trafficItem } from '../../../support/traffic.ts';

const piece = (fields: Parameters<typeof trafficItem>[0], rates: object = {}) => ({
  ...trafficItem(fields),
  rates: { ...NO_RATES, ...rates },
});

const ITEMS = [
  piece({ type: 'listener', listener: 'web', detail: 'HTTP', address: '127.0.0.1:80' }),
  piece({ type: 'listener', listener: 'admin', detail: 'TCP' }),
  piece(
    { type: 'path', listener: 'web', rule: 'a', route: 'r', cluster: 'shop' },
    { opened: 2, bytes_in: 5, bytes_out: 6 },
  ),
  piece({ type: 'path', listener: 'web', rule: 'b', route: 'r', cluster: 'shop' }, { failed: 1 }),
  piece({ type: 'path', listener: 'admin', rule: 'no', route: '', cluster: '' }),
  piece({ type: 'cluster', cluster: 'shop', detail: 'TCP' }),
  piece({ type: 'endpoint', cluster: 'shop', endpoint: 'e', address: '127.0.0.2:80', detail: 'healthy' }),
  piece({ type: 'endpoint', cluster: 'unused', endpoint: 'f' }),
];

describe('the graph of the topology', () => {
  it('has the pieces in columns, and what passes on the edges between them', () => {
    const { nodes, edges, left } = graphOf(ITEMS);
    const columns = [0, 1, 2, 3].map((column) =>
      nodes.filter((node) => node.column === column).map(({ title }) => title),
    );
    expect(columns).to.deep.equal([['admin', 'web'], ['no', 'a', 'b'], ['shop'], ['127.0.0.2:80']]);
    const edge = edges.find(({ from, to }) => from.title === 'web' && to.title === 'a');
    expect(edge).to.include({ opened: 2, bytes: 11, failed: 0 });
    expect(nodes.find(({ title }) => title === 'shop')?.failing).to.equal(1);
    expect(left).to.equal(0);
  });

  it('shows what is on a way with one of them', () => {
    const { nodes } = graphOf(ITEMS, 'rule\nb\nr');
    expect(nodes.map(({ title }) => title)).to.have.members(['web', 'b', 'shop', '127.0.0.2:80']);
    expect(graphOf(ITEMS, 'endpoint\nshop\ne').nodes.map(({ title }) => title)).to.include.members(['a', 'b', 'web']);
  });

  it('tells names with spaces apart', () => {
    const ways = [
      { rule: 'a b', route: 'c' },
      { rule: 'a', route: 'b c' },
      { rule: 'of', route: 'web' },
      { rule: '', route: '' },
    ];
    const { nodes } = graphOf(ways.map((way) => piece({ type: 'path', listener: 'web', ...way })));
    expect(nodes.filter(({ column }) => column === 1)).to.have.lengthOf(4);
  });

  it('draws so many nodes of a column, the busiest, and counts the others', () => {
    const many = Array.from({ length: 100 }, (_, index) =>
      piece({ type: 'path', listener: `l${index}`, rule: `r${index}`, route: 'x', cluster: 'c' }, { opened: index }),
    );
    const { nodes, left } = graphOf(many);
    expect(nodes).to.have.lengthOf(81);
    expect(left).to.equal(120);
    expect(nodes.some(({ title }) => title === 'l99')).to.equal(true);
    expect(nodes.some(({ title }) => title === 'l0')).to.equal(false);
  });
});
