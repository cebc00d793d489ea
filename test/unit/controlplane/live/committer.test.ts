/** Changes of what is live, where others change it, too. */
import { expect } from 'chai';
import { Committer } from '../../../../controlplane/live/committer.ts';
import { StoreMirror } from '../../../../controlplane/live/mirror.ts';
import { HEAD } from '../../../../controlplane/model/keys.ts';
import { recordingLog } from '../../../support/controlplane.ts';
import { MemoryStore } from '../../../support/memory-store.ts';

describe('a change of what is live', () => {
  const store = new MemoryStore();
  const over = new AbortController();
  after(async () => {
    over.abort();
    await store.close();
  });

  it('is made anew where another came first, whatever else was written after that', async () => {
    const mirror = new StoreMirror(store, recordingLog());
    await mirror.start(over.signal);
    const put = (key: string, value: string) => store.transact([], [{ type: 'put', key, value: Buffer.from(value) }]);
    const seen: number[] = [];
    const plan = async () => {
      seen.push(mirror.head.number);
      if (seen.length === 1) {
        await put(HEAD, '7');
        await put('status/cp-2/beat', '{}');
      }
      return { changes: [], author: '', message: '', more: [{ type: 'delete', key: 'live/rollouts/r' } as const] };
    };
    await new Committer(store, mirror).commit(plan, over.signal);
    expect(seen).to.deep.equal([0, 7]);
  });
});
