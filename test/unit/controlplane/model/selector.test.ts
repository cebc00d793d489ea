/** Selectors: as those of Kubernetes, with identities. */
import { expect } from 'chai';
import type { Selector } from '../../../../gen/messages.ts';
import { checkSelector, compileSelector } from '../../../../controlplane/model/selector.ts';

const NONE: Selector = { match_labels: {}, match_expressions: [], match_ids: [] };
const requirement = (key: string, operator: string, ...values: string[]): Selector => ({
  ...NONE,
  match_expressions: [{ key, operator, values }],
});

describe('selectors', () => {
  const proxies = [
    { id: 'a', labels: { tier: 'edge', zone: '1' } },
    { id: 'b', labels: { tier: 'core', zone: '' } },
    { id: 'c', labels: {} },
  ];
  const cases: [string, Selector | undefined, string][] = [
    ['select all when absent', undefined, 'abc'],
    ['want labels', { ...NONE, match_labels: { tier: 'edge' } }, 'a'],
    ['want all labels', { ...NONE, match_labels: { tier: 'edge', zone: '2' } }, ''],
    ['want one of some identities', { ...NONE, match_ids: ['b', 'c'] }, 'bc'],
    ['want identities and labels', { ...NONE, match_ids: ['b', 'c'], match_labels: { tier: 'core' } }, 'b'],
    ['want a value that is in a list', requirement('tier', 'In', 'edge', 'other'), 'a'],
    ['take an empty value for a value', requirement('zone', 'In', ''), 'b'],
    ['take a label that is absent for none of a list', requirement('tier', 'NotIn', 'edge'), 'bc'],
    ['want a label', requirement('zone', 'Exists'), 'ab'],
    ['want no such label', requirement('zone', 'DoesNotExist'), 'c'],
    ['do not know labels that every object has', requirement('constructor', 'Exists'), ''],
  ];
  for (const [title, selector, wanted] of cases) {
    it(title, () => {
      const matches = compileSelector(selector);
      expect(
        proxies
          .filter((each) => matches(each))
          .map(({ id }) => id)
          .join(''),
      ).to.equal(wanted);
    });
  }

  it('are checked', () => {
    const paths = (selector: Selector) => checkSelector(selector).map(({ path }) => path.split('.').at(-1));
    expect(paths(requirement('', 'Exists'))).to.deep.equal(['key']);
    expect(paths(requirement('a', 'exists'))).to.deep.equal(['operator']);
    expect(paths(requirement('a', 'In'))).to.deep.equal(['values']);
    expect(paths(requirement('a', 'Exists', 'x'))).to.deep.equal(['values']);
    expect(paths(requirement('a', 'NotIn', 'x'))).to.deep.equal([]);
  });
});
