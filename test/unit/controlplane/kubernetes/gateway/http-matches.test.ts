/** Matches as predicates, and which of them is asked first. */
import { expect } from 'chai';
import type { GRPCRouteMatch, HTTPRouteMatch } from '../../../../../controlplane/kubernetes/api/gateway-kinds.ts';
import { byRank, grpcMatches, httpMatches } from '../../../../../controlplane/kubernetes/gateway/http-matches.ts';

const header = { name: 'a', value: '1' };

describe('matches of HTTPRoutes', () => {
  it('go first by path, then method, header fields, query parameters', () => {
    const first: HTTPRouteMatch[] = [
      { path: { type: 'Exact', value: '/' } },
      { path: { type: 'RegularExpression', value: '/a.*' } },
      { path: { value: '/long' }, queryParams: [header] },
      { path: { value: '/a' }, method: 'GET' },
      { path: { value: '/a' }, headers: [header, { ...header, name: 'b' }] },
      { path: { value: '/a' }, headers: [header], queryParams: [header] },
      { path: { value: '/a' }, headers: [header] },
      { path: { value: '/a' }, queryParams: [header] },
      { path: { value: '/a' } },
      {},
    ];
    const { matches } = httpMatches(first);
    const order = [...matches].reverse().sort((one, other) => byRank(one.rank, other.rank));
    expect(order).to.deep.equal(matches);
  });

  it('without any condition hold for every request', () => {
    expect(httpMatches(undefined).matches).to.deep.equal([{ rank: [0, 1, 0, 0, 0], prefix: '/' }]);
    expect(httpMatches([]).matches).to.have.length(1);
  });

  it('of one header field twice are the first of them, whatever its case; of a query parameter by the letter', () => {
    const headers = [header, { name: 'A', value: '2' }];
    const { matches } = httpMatches([{ headers, queryParams: headers }]);
    expect(matches[0]!.match).to.deep.equal({
      op: 'and',
      apply: [
        { op: 'test', path: '/HTTP/headers/a', value: '1' },
        { op: 'test', path: '/HTTP/url/params/a', value: '1' },
        { op: 'test', path: '/HTTP/url/params/A', value: '2' },
      ],
    });
  });

  it('by an expression want the whole text, and one that RE2 does not know is a fault', () => {
    const { matches, faults } = httpMatches([{ path: { type: 'RegularExpression', value: '/a|/b' } }]);
    expect(matches[0]!.match).to.deep.equal({ op: 'matches', path: '/HTTP/url/path', value: '^(?:/a|/b)$' });
    expect(faults).to.deep.equal([]);
    expect(httpMatches([{ path: { type: 'RegularExpression', value: '(?=a)' } }]).faults).to.have.length(1);
  });
});

describe('matches of GRPCRoutes', () => {
  it('go first by the characters of the service, then of the method, then header fields', () => {
    const first: GRPCRouteMatch[] = [
      { method: { service: 'pkg.Longer' } },
      { method: { service: 'pkg.A', method: 'Hello' } },
      { method: { service: 'pkg.A', method: 'Hi' }, headers: [header] },
      { method: { service: 'pkg.A', method: 'Hi' } },
      { method: { method: 'Hello' } },
      { headers: [header] },
      {},
    ];
    const { matches } = grpcMatches(first);
    const order = [...matches].reverse().sort((one, other) => byRank(one.rank, other.rank));
    expect(order).to.deep.equal(matches);
    expect(matches.map(({ match }) => (match as { value?: string } | undefined)?.value)).to.deep.equal([
      '/pkg.Longer/',
      '/pkg.A/Hello',
      undefined,
      '/pkg.A/Hi',
      '/Hello',
      '1',
      undefined,
    ]);
  });
});
