import { expect } from 'chai';
import { readRefusal } from '../../../../controlplane/status/refusal.ts';

const read = (text: string, ...names: string[]) => {
  const { named, whole } = readRefusal(text, names);
  return { named: [...named], whole };
};

describe('what a proxy says when it refuses a response', () => {
  it('names resources line by line, some more than once', () => {
    expect(read('a: no: never\nhm\nb: not so\na: nor that\nx: y', 'a', 'b', 'c')).to.deep.equal({
      named: [
        ['a', 'no: never\nnor that'],
        ['b', 'not so'],
      ],
      whole: true,
    });
    expect(read('it is full', 'a')).to.deep.equal({ named: [], whole: true });
  });

  it('may name resources that have colons in their names', () => {
    const names = ['urn: x: y', 'urn: x', 'z: z'];
    expect(read('urn: x: bad', ...names).named).to.deep.equal([['urn: x', 'bad']]);
    expect(read('urn: x: y: bad', 'urn: x: y', 'urn: x: z').named).to.deep.equal([['urn: x: y', 'bad']]);
    expect(read('urn: x: y: bad', ...names).named, 'of several the shortest').to.deep.equal([['urn: x', 'y: bad']]);
    expect(read('z: bad\nz: z: bad', ...names).named).to.deep.equal([['z: z', 'bad']]);
  });

  it('is read to 64 KiB, and 500 characters of each resource are kept', () => {
    const { named, whole } = readRefusal(`${'a: 123456789\n'.repeat(10_000)}b: no`, ['a', 'b']);
    expect([...named.keys()]).to.deep.equal(['a']);
    expect(named.get('a')).to.have.length(500);
    expect(whole).to.equal(false);
  });

  it('takes no longer for what is made to take long', () => {
    for (const text of [': '.repeat(2_000_000), `a${': '.repeat(2_000_000)}`, 'a: \n'.repeat(1_000_000)]) {
      expect(readRefusal(text, ['a', 'b: c']).whole).to.equal(false);
    }
  });
});
