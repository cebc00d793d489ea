import { expect } from 'chai';
import { replacePrefix } from '../../../../dataplane/pipeline/path-prefix.ts';

describe('Prefixes of paths', () => {
  // The table of HTTPPathModifier (Gateway API 1.6), and what it does not say.
  const rows: readonly (readonly [path: string, from: string, to: string, expected: string])[] = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/foobar', '/foo', '/xyz', '/foobar'],
    ['/', '/', '/xyz', '/xyz/'],
    ['/foo', '/', '/xyz', '/xyz/foo'],
    ['/foo', '/', '', '/foo'],
    ['/foo//bar', '/foo', '/xyz', '/xyz//bar'],
  ];
  for (const [path, from, to, expected] of rows) {
    it(`${path} is ${expected} with "${to}" in place of ${from}`, () => {
      expect(replacePrefix(path, { from, to })).to.equal(expected);
    });
  }
});
