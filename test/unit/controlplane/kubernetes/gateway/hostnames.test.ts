/** Which hostnames of listeners and routes intersect, and in what order they are asked. */
import { expect } from 'chai';
import { ANY, bySpecificity, covers, intersections } from '../../../../../controlplane/kubernetes/gateway/hostnames.ts';

describe('hostnames', () => {
  const cases: readonly [string | undefined, readonly string[] | undefined, readonly string[]][] = [
    [undefined, undefined, [ANY]],
    [undefined, [], [ANY]],
    ['a.example', undefined, ['a.example']],
    [undefined, ['a.example', '*.b'], ['a.example', '*.b']],
    ['a.example', ['a.example', 'b.example'], ['a.example']],
    ['*.example', ['a.example', 'a.b.example', 'example', 'a.other'], ['a.example', 'a.b.example']],
    ['a.b.example', ['*.example'], ['a.b.example']],
    ['*.example', ['*.b.example'], ['*.b.example']],
    ['*.b.example', ['*.example'], ['*.b.example']],
    ['*.b.example', ['b.example'], []],
    ['A.Example', ['a.eXample'], ['a.example']],
    ['a.example', ['b.example'], []],
    ['*.example', ['*.example', 'A.EXAMPLE', 'a.example'], ['*.example', 'a.example']],
  ];
  for (const [listener, route, expected] of cases) {
    it(`of ${listener ?? 'all'} and ${route?.join(', ') ?? 'none'} are ${expected.join(', ') || 'none'} in both`, () => {
      expect(intersections(listener, route)).to.deep.equal(expected);
    });
  }

  it('are covered by a wildcard from one label on, and never in part of a label', () => {
    const covered = ['a.example', 'a.b.example', 'example', 'aexample'].map((name) => covers('*.example', name));
    expect(covered).to.deep.equal([true, true, false, false]);
  });

  it('stand with names before wildcards, the longest first', () => {
    const names = [ANY, '*.example', 'b.example', '*.long.example', 'a.example', 'a.b.example'];
    expect(names.sort(bySpecificity)).to.deep.equal([
      'a.b.example',
      'a.example',
      'b.example',
      '*.long.example',
      '*.example',
      ANY,
    ]);
  });
});
