import { expect } from 'chai';
import { createTurns } from '../../../common/turns.ts';
import { until } from '../../support/until.ts';

describe('turns', () => {
  it('are so many at once, in order, whatever becomes of each, and no more wait than may', async () => {
    const inTurn = createTurns({ atOnce: 2, waiting: 3 });
    const ends: (() => void)[] = [];
    const began: number[] = [];
    const asked = [0, 1, 2, 3, 4].map((index) =>
      inTurn(async () => {
        began.push(index);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (index === 1) throw new Error('it failed');
        return index;
      }).catch((error: unknown) => (error as Error).message),
    );
    const refused = await inTurn(() => Promise.resolve('late')).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(RangeError);
    for (const count of [2, 3, 4, 5, 5]) {
      await until(`${count} to have begun`, () => began.length === count);
      ends.shift()?.();
    }
    expect(began).to.deep.equal([0, 1, 2, 3, 4]);
    expect(await Promise.all(asked)).to.deep.equal([0, 'it failed', 2, 3, 4]);
    expect(await inTurn(() => Promise.resolve('after'))).to.equal('after');
  });
});
