/** What is wrong in proxies: all of it counts, and so much of it has its words. */
import { expect } from 'chai';
import { Failures, MAX_FAULTS } from '../../../../controlplane/status/failures.ts';
import { LDS } from '../../../support/discovery.ts';

describe('what is wrong in a proxy', () => {
  it('is counted whole, and has its words up to a bound', () => {
    const failures = new Failures();
    for (let at = 0; at <= MAX_FAULTS; at++) {
      failures.set({ proxy: 'n', typeUrl: LDS, name: `l${at}`, version: '1', kind: 'failed', message: 'broken' });
    }
    expect(failures.count()).to.deep.equal([{ type: LDS, kind: 'failed', count: MAX_FAULTS + 1 }]);
    const messages = failures.of('n').map(({ message }) => message);
    expect(messages.filter((message) => message === 'broken')).to.have.length(MAX_FAULTS);
    expect(messages.at(-1)).to.equal(`one of more than ${MAX_FAULTS} faults of this proxy`);
  });
});
