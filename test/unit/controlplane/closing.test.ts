import { expect } from 'chai';
import { Closing } from '../../../controlplane/closing.ts';
import { silentLogger } from '../../support/doubles.ts';

describe('the end of a control plane', () => {
  it('closes everything once, the last that was opened first, whatever fails on the way', async () => {
    const logged: unknown[] = [];
    const closing = new Closing({ ...silentLogger, error: (fields: object) => logged.push(fields) });
    const closed: string[] = [];
    const first = new Error('first');
    const failing = (error: Error) => () => {
      throw error;
    };
    closing.add('store', (graceMs) => closed.push(`store ${graceMs}`));
    closing.add('configuration', () => Promise.reject(new Error('second')));
    closing.add('pages', failing(first));
    closing.add('server', async () => {
      await Promise.resolve();
      closed.push('server');
    });
    const thrown = await closing.run(7).catch((error: unknown) => error);
    expect(thrown).to.equal(first);
    expect(closed).to.deep.equal(['server', 'store 7']);
    expect(logged).to.have.length(2);
    await closing.run(0);
    expect(closed).to.have.length(2);
  });
});
