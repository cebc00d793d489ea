import { expect } from 'chai';
import { decodeConfig } from '../../../../config/decode.ts';
import { formatFault, ProxyError } from '../../../../common/errors.ts';
import type { Metadata } from '../../../../dataplane/core/session.ts';
import { decide, pickDestination } from '../../../../dataplane/pipeline/routing.ts';
import { route } from '../../../support/pipeline.ts';

const METADATA = { HTTP: { url: { path: '/a' } } };
const isA = { op: 'starts', path: '/HTTP/url/path', value: '/a' };
const never = { op: 'defined', path: '/absent' };

/** What the list `main` of a configuration decides, as `rule -> route`, or the code of the error. */
function decided(config: object, metadata: Metadata = structuredClone(METADATA)): string {
  const routes = ['x', 'y', 'z'].map((name) => ({ name, destination: 'c' }));
  const { value, faults } = decodeConfig({ routes, ...config });
  if (value === undefined) throw new Error(faults.map(formatFault).join('\n'));
  const table = {
    rulelist: (name: string) => value.rulelists.get(name)?.value,
    rule: (name: string) => value.rules.get(name)?.value,
    route: (name: string) => value.routes.get(name)?.value,
    cluster: () => undefined,
  };
  try {
    const { rulelist, rule, route: found, answer } = decide(table, 'main', metadata);
    return `${rulelist}/${rule} -> ${found?.name ?? answer?.answer.status}`;
  } catch (error) {
    return ProxyError.from(error).code;
  }
}

const rule = (name: string, match: object | '*', action: object): object => ({ name, match, action });

describe('Rules', () => {
  const rows: Record<string, [lists: Record<string, object[]>, expected: string]> = {
    'the first that matches decides': [
      { main: [rule('1', never, { route: 'x' }), rule('2', isA, { route: 'y' }), rule('3', '*', { route: 'z' })] },
      'main/2 -> y',
    ],
    'none matches': [{ main: [rule('1', never, { route: 'x' })] }, 'NO_ROUTE'],
    'there are none': [{ main: [] }, 'NO_ROUTE'],
    'the list is missing': [{}, 'NO_ROUTE'],
    'the route is missing': [
      { main: [rule('1', '*', { route: 'gone' }), rule('2', '*', { route: 'x' })] },
      'UNKNOWN_ROUTE',
    ],
    'another list is applied': [
      { main: [rule('1', '*', { apply: 'other' })], other: [rule('2', '*', { route: 'x' })] },
      'other/2 -> x',
    ],
    'the applied list has no match, and the rule a route of its own': [
      { main: [rule('1', '*', { apply: 'other', route: 'y' })], other: [rule('2', never, { route: 'x' })] },
      'main/1 -> y',
    ],
    'the applied list has no match: the next rule is asked': [
      {
        main: [rule('1', '*', { apply: 'other' }), rule('3', '*', { route: 'z' })],
        other: [rule('2', never, { route: 'x' })],
      },
      'main/3 -> z',
    ],
    'the applied list is missing': [
      { main: [rule('1', '*', { apply: 'gone' }), rule('2', '*', { route: 'x' })] },
      'main/2 -> x',
    ],
  };
  for (const [what, [lists, expected]] of Object.entries(rows)) {
    it(`give ${expected} where ${what}`, () => {
      const rulelists = Object.entries(lists).map(([name, rules]) => ({ name, rules }));
      expect(decided({ rulelists })).to.equal(expected);
    });
  }

  it('pass over a rule that is missing', () => {
    expect(decided({ rulelists: [{ name: 'main', rules: ['gone', rule('2', '*', { route: 'x' })] }] })).to.equal(
      'main/2 -> x',
    );
  });

  describe('rewrite', () => {
    const rewritten = (...rewrite: object[]): Metadata => {
      const metadata: Metadata = { a: { b: 1 }, list: ['x'] };
      decided({ rulelists: [{ name: 'main', rules: [rule('1', '*', { rewrite, route: 'x' })] }] }, metadata);
      return metadata;
    };

    const cases: Record<string, [rewrite: object[], expected: Metadata]> = {
      'a value': [[{ path: '/a/b', value: 2 }], { a: { b: 2 }, list: ['x'] }],
      'with 0 and false, which are values': [
        [
          { path: '/a/b', value: 0 },
          { path: '/c', value: false },
        ],
        { a: { b: 0 }, list: ['x'], c: false },
      ],
      'and make parents': [[{ path: '/c/d/e', value: 1 }], { a: { b: 1 }, list: ['x'], c: { d: { e: 1 } } }],
      'and replace what stands in the way': [[{ path: '/a/b/c', value: 1 }], { a: { b: { c: 1 } }, list: ['x'] }],
      'and remove, where they have no value': [[{ path: '/a/b' }, { path: '/gone/x' }], { a: {}, list: ['x'] }],
      'an element of a list, or append one': [
        [
          { path: '/list/0', value: 'y' },
          { path: '/list/-', value: 'z' },
        ],
        { a: { b: 1 }, list: ['y', 'z'] },
      ],
      'in order': [
        [
          { path: '/a', value: 1 },
          { path: '/a', value: 2 },
        ],
        { a: 2, list: ['x'] },
      ],
    };
    for (const [what, [rewrite, expected]] of Object.entries(cases)) {
      it(what, () => {
        expect(rewritten(...rewrite)).to.deep.equal(expected);
      });
    }

    it('before the rules that come next are asked', () => {
      const rewrite = [{ path: '/HTTP/url/path', value: '/b' }];
      const rules = [
        rule('1', '*', { rewrite, apply: 'gone' }),
        rule('2', isA, { route: 'x' }),
        rule('3', '*', { route: 'y' }),
      ];
      expect(decided({ rulelists: [{ name: 'main', rules }] })).to.equal('main/3 -> y');
    });

    it('each session for itself', () => {
      const rewrite = [
        { path: '/a', value: { list: [] } },
        { path: '/a/list/-', value: 1 },
      ];
      const config = { rulelists: [{ name: 'main', rules: [rule('1', '*', { rewrite, route: 'x' })] }] };
      const sessions: Metadata[] = [{}, {}];
      for (const metadata of sessions) decided(config, metadata);
      expect(sessions).to.deep.equal([{ a: { list: [1] } }, { a: { list: [1] } }]);
    });
  });
});

describe('Weighted destinations', () => {
  const weighted = route({
    destinations: [
      { cluster: 'a', weight: 1, rewrite: [] },
      { cluster: 'b', weight: 0, rewrite: [] },
      { cluster: 'c', weight: 3, rewrite: [] },
    ],
  });

  it('share sessions by their weights, and none goes to a weight of 0', () => {
    const counts: Record<string, number> = {};
    for (let point = 0; point < 400; point++) {
      const cluster = pickDestination(weighted, undefined, () => point / 400)?.cluster ?? '';
      counts[cluster] = (counts[cluster] ?? 0) + 1;
    }
    expect(counts).to.deep.equal({ a: 100, c: 300 });
  });

  it('are not asked where there is one destination', () => {
    expect(pickDestination(route({ destination: 'only' }), undefined, () => 0.5)).to.equal(undefined);
  });
});
