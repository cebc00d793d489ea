import { expect } from 'chai';
import { keysOf, press, type TopState } from '../../../../cli/top/state.ts';

const FIRST: TopState = { sort: 'rate', filter: '', isPaused: false, selected: 0, mode: { type: 'list' } };
const CHOICE = { names: ['a', 'b', 'c'], total: 5, page: 2 };

/** The state after keys; undefined: the end. */
function after(keys: readonly string[], first: TopState = FIRST): TopState | undefined {
  return keys.reduce<TopState | undefined>((state, key) => state && press(state, key, CHOICE), first);
}

const [UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END] = [
  '\x1b[A',
  '\x1b[B',
  '\x1b[5~',
  '\x1b[6~',
  '\x1b[H',
  '\x1b[F',
] as const;

describe('keys of l7mp top', () => {
  for (const [keys, selected] of [
    [[DOWN], 1],
    [[DOWN, DOWN, UP], 1],
    [[UP], 0],
    [[PAGE_DOWN], 2],
    [[PAGE_DOWN, PAGE_DOWN, PAGE_DOWN], 4],
    [[END], 4],
    [[END, PAGE_UP], 2],
    [[END, HOME], 0],
    [[END, 'b'], 0],
    [['x'], 0],
  ] as const) {
    it(`select place ${selected} by ${JSON.stringify(keys)}`, () => {
      expect(after(keys)?.selected).to.equal(selected);
    });
  }

  for (const [keys, expected] of [
    [['k'], { sort: 'packets' }],
    [['s', 's'], { sort: 'bytes' }],
    [['n', 's'], { sort: 'rate' }],
    [['p'], { isPaused: true }],
    [['p', ' '], { isPaused: false }],
    [['/', 'q', 'ü', '\x7f', '\x1b[A', '\r'], { filter: 'q', mode: { type: 'list' } }],
    [['/', 'a', '\x1b'], { filter: '', mode: { type: 'list' } }],
    [['/', 'a', '\r', '\x1b'], { filter: '' }],
    [['h', 'x'], { mode: { type: 'list' } }],
    [[DOWN, '\r'], { mode: { type: 'details', name: 'b', from: 0 } }],
    [['\r', DOWN, DOWN, UP], { mode: { type: 'details', name: 'a', from: 1 } }],
    [['\r', UP], { mode: { type: 'details', name: 'a', from: 0 } }],
    [['\r', '\x1b'], { mode: { type: 'list' } }],
    [[END, '\r'], { mode: { type: 'list' } }],
  ] as const) {
    it(`${JSON.stringify(keys)} give ${JSON.stringify(expected)}`, () => {
      expect(after(keys)).to.deep.include(expected);
    });
  }

  for (const keys of [['q'], ['\x03'], ['h', 'q'], ['\r', 'q'], ['/', 'a', '\x03']]) {
    it(`end by ${JSON.stringify(keys)}`, () => {
      expect(after(keys)).to.equal(undefined);
    });
  }

  it('are told from each other, however they come', () => {
    expect(keysOf(`a\x1b[Bü\x1b[15~\x1bOA\x1b\r`)).to.deep.equal([
      'a',
      '\x1b[B',
      'ü',
      '\x1b[15~',
      '\x1b[A',
      '\x1b',
      '\r',
    ]);
  });
});
