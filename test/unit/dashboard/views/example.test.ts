import { expect } from 'chai';
import { exampleOf } from '../../../../dashboard/views/example.ts';

describe('the example of the editor', () => {
  for (const [taken, name] of [
    [[], 'echo'],
    [['web'], 'echo'],
    [['echo', 'web'], 'echo-2'],
    [['echo-2', 'echo', 'echo-4'], 'echo-3'],
  ] as const) {
    it(`makes ${name} where there are ${taken.join(', ') || 'none'}`, () => {
      expect(exampleOf(taken).match(/(?:name|destination): [\w-]+/gu)).to.deep.equal([
        `name: ${name}`,
        `destination: ${name}`,
        `name: ${name}`,
      ]);
    });
  }
});
