import { expect } from 'chai';
import { getAt, parsePointer, setAt } from '../../../common/json-pointer.ts';
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';

/** The document of RFC 6901, section 5. */
const RFC: Json = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, 'm~n': 8, ' ': 7 };

const shown = (value: Json | undefined): string => (value === undefined ? 'nothing' : JSON.stringify(value));

const set = (root: Json, pointer: string, value: Json | undefined): Json => {
  const copy = structuredClone(root);
  setAt(copy, parsePointer(pointer), value);
  return copy;
};

describe('A JSON pointer', () => {
  const found: Record<string, Json | undefined> = {
    '': RFC,
    '/foo': ['bar', 'baz'],
    '/foo/0': 'bar',
    '/': 0,
    '/a~1b': 1,
    '/c%d': 2,
    '/m~0n': 8,
    '/ ': 7,
    '/absent': undefined,
    '/foo/2': undefined,
    '/foo/length': undefined,
    '/foo/0/length': undefined,
    '/toString': undefined,
    '/__proto__': undefined,
  };
  for (const [pointer, value] of Object.entries(found)) {
    it(`"${pointer}" finds ${shown(value)}`, () => {
      expect(getAt(RFC, parsePointer(pointer))).to.deep.equal(value);
    });
  }

  for (const wrong of ['a', '/~', '/~2', '/a~']) {
    it(`is not "${wrong}"`, () => {
      expect(() => parsePointer(wrong)).to.throw(SyntaxError);
    });
  }

  const changes: readonly (readonly [root: Json, pointer: string, value: Json | undefined, expected: Json])[] = [
    [{ a: 1 }, '/a', 2, { a: 2 }],
    [{}, '/a/b', 1, { a: { b: 1 } }],
    [{ a: 1 }, '/a/b', 1, { a: { b: 1 } }],
    [{ a: 1 }, '', 2, { a: 1 }],
    [{ a: { b: 1 } }, '/a/b', undefined, { a: {} }],
    [{ a: 1 }, '/b/c', undefined, { a: 1 }],
    [{ a: ['x'] }, '/a/0', 'y', { a: ['y'] }],
    [{ a: ['x'] }, '/a/1', 'y', { a: ['x', 'y'] }],
    [{ a: ['x'] }, '/a/-', 'y', { a: ['x', 'y'] }],
    [{ a: ['x'] }, '/a/-/b', 'y', { a: ['x', { b: 'y' }] }],
    [{ a: ['x', 'y'] }, '/a/0', undefined, { a: ['y'] }],
    // What is no place in a list takes its place.
    [{ a: ['x'] }, '/a/4294967294', 'y', { a: { 4294967294: 'y' } }],
    [{ a: ['x'] }, '/a/01', 'y', { a: { '01': 'y' } }],
    [{ a: ['x'] }, '/a/length', 0, { a: { length: 0 } }],
    [{ a: ['x'] }, '/a/b', undefined, { a: ['x'] }],
    [{ a: ['x'] }, '/a/-', undefined, { a: ['x'] }],
  ];
  for (const [root, pointer, value, expected] of changes) {
    it(`sets ${pointer} of ${JSON.stringify(root)} to ${shown(value)}`, () => {
      expect(set(root, pointer, value)).to.deep.equal(expected);
    });
  }

  it('reaches no prototype', () => {
    const root = set({}, '/__proto__/polluted', 1);
    expect(Object.hasOwn(root as object, '__proto__')).to.equal(true);
    expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined);
  });
});
