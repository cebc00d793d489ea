import { expect } from 'chai';
import { duration, wholeNumber } from '../../../cli/commands/values.ts';

describe('Values of options', () => {
  const ACCEPTED: readonly (readonly [number, number])[] = [
    [wholeNumber()('0'), 0],
    [wholeNumber()('2147483647'), 2147483647],
    [wholeNumber(100)('100'), 100],
    [duration('24h'), 86_400_000],
  ];
  for (const [value, expected] of ACCEPTED) {
    it(`may be ${expected}`, () => {
      expect(value).to.equal(expected);
    });
  }

  const REFUSED: readonly (readonly [string, () => number, string])[] = [
    ['more than a timer takes', () => wholeNumber()('2147483648'), 'from 0 to 2147483647'],
    ['less than the least', () => wholeNumber(100)('99'), 'from 100 to 2147483647'],
    ['negative', () => wholeNumber()('-1'), 'from 0 to 2147483647'],
    ['a time that is more than a timer takes', () => duration('600h'), 'at most 2147483647 ms'],
  ];
  for (const [what, read, expected] of REFUSED) {
    it(`are refused where they are ${what}`, () => {
      expect(read).to.throw(expected);
    });
  }
});
