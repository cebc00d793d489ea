/** What `l7mp wait` says where it waits in vain. */
import { expect } from 'chai';
import type { ControlPlane } from '../../../cli/controlplane/client.ts';
import { waitFor } from '../../../cli/controlplane/wait.ts';

describe('l7mp wait', () => {
  it('names the control planes that have said nothing, and how long one counts that is gone', async () => {
    const answer = { done: false, selected: 0, reached: 0, pending: [], behind: ['cp-2'] };
    const controlPlane = {
      async *stream() {
        yield await Promise.resolve(answer);
      },
    } as unknown as ControlPlane;
    const failure: unknown = await waitFor(controlPlane, { keys: [] }, 1000).catch((error: unknown) => error);
    expect((failure as Error).message.split('\n')).to.deep.equal([
      'expected all within 1 s, found 0 of 0',
      'the control plane cp-2 has not said how far its proxies are: one that is gone counts for 30 s',
    ]);
  });
});
