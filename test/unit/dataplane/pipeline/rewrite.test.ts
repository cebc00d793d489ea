import { expect } from 'chai';
import type { Json } from '../../../../gen/l7mp/config/v1/types.ts';
import { rewriteMetadata } from '../../../../dataplane/pipeline/rewrite.ts';

describe('Rewrites', () => {
  const added: Record<string, [before: Json | undefined, after: Json]> = {
    'a text grows by a value behind a comma': ['a', 'a,b'],
    'a number is text then': [1, '1,b'],
    'a list grows by an element': [['a'], ['a', 'b']],
    'nothing becomes the value': [undefined, 'b'],
    'so does what is no list': [{ a: 1 }, 'b'],
  };
  for (const [what, [before, after]] of Object.entries(added)) {
    it(`append: ${what}`, () => {
      const metadata = before === undefined ? {} : { list: before };
      rewriteMetadata([{ path: '/list', append: 'b' }], metadata);
      expect(metadata).to.deep.equal({ list: after });
    });
  }

  it('replace a prefix only of text, and make nothing where there is none', () => {
    const metadata = { path: '/a/b', other: 1 };
    const prefix = { from: '/a', to: '/c' };
    rewriteMetadata(
      ['/path', '/other', '/none'].map((path) => ({ path, prefix })),
      metadata,
    );
    expect(metadata).to.deep.equal({ path: '/c/b', other: 1 });
  });
});
