import { expect } from 'chai';
import { ProxyError } from '../../../../common/errors.ts';
import { RefusalLog } from '../../../../dataplane/pipeline/refusal-log.ts';
import { recordingLogger, stopClock } from '../../../support/cluster.ts';

describe('The log of refusals', () => {
  it('has a line for each reason and ten seconds, with how many there were', async () => {
    const clock = stopClock();
    try {
      const log = recordingLogger();
      const refusals = new RefusalLog(log);
      const add = (code: 'TOO_LARGE' | 'NO_DESCRIPTORS'): void =>
        refusals.add('in', new ProxyError(code, 'why'), '127.0.0.1:1');
      for (let round = 0; round < 5; round++) add('TOO_LARGE');
      add('NO_DESCRIPTORS');
      await clock.tick(9999);
      add('TOO_LARGE');
      expect(log.lines).to.deep.equal(['info: a client was refused', 'warn: connections were refused']);
      expect(log.fields[0]).to.deep.equal({
        listener: 'in',
        code: 'TOO_LARGE',
        error: 'why',
        source: '127.0.0.1:1',
        count: 1,
      });
      await clock.tick(1);
      add('TOO_LARGE');
      expect(log.fields[2]).to.include({ code: 'TOO_LARGE', count: 6 });
    } finally {
      clock.restore();
    }
  });
});
