import { expect } from 'chai';
import { nearest } from '../../../common/nearest.ts';

describe('the word that was meant', () => {
  const words = ['tcp', 'udp', 'unix', 'listeners', 'clusters'];
  for (const [typed, meant] of [
    ['tpc', 'tcp'],
    ['TCP', 'tcp'],
    ['upd', 'udp'],
    ['unxi', 'unix'],
    ['clutsers', 'clusters'],
    ['listner', 'listeners'],
    ['udpp', 'udp'],
    ['xyz', undefined],
    ['ftp', undefined],
    ['', undefined],
  ] as const) {
    it(`for "${typed}" is ${meant ?? 'none'}`, () => {
      expect(nearest(typed, words)).to.equal(meant);
    });
  }
});
