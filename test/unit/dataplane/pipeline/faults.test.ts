import { expect } from 'chai';
import { Answered } from '../../../../dataplane/core/answer.ts';
import { drawFaults } from '../../../../dataplane/pipeline/faults.ts';

describe('Faults', () => {
  const fault = { delay: { percent: 20, duration: 5 }, abort: { percent: 50, status: 418 } };

  for (const [what, point, expected] of [
    ['both where both are drawn', 0.1, [5, 418]],
    ['only the likelier one', 0.3, [0, 418]],
    ['none', 0.5, [0, undefined]],
  ] as const) {
    it(`are ${what}`, () => {
      const { delay, abort } = drawFaults(fault, () => point);
      const status = abort instanceof Answered ? abort.answer.status : undefined;
      expect([delay, status]).to.deep.equal(expected);
    });
  }

  it('never happen to nobody, and always to all', () => {
    const never = drawFaults({ delay: { percent: 0, duration: 5 } }, () => 0);
    expect(never).to.deep.equal({ delay: 0, abort: undefined });
    const always = drawFaults({ abort: { percent: 100, status: 503 } }, () => 0.999_999);
    expect(always.abort).to.include({ code: 'FAULT_INJECTED' });
  });
});
