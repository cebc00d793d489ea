import { expect } from 'chai';
import type { Call } from '../../../../controlplane/core/rpc.ts';
import { topicsOf } from '../../../../controlplane/dashboard/topics.ts';
import type { Board } from '../../../../controlplane/dashboard/types.ts';

describe('topics of the dashboard', () => {
  it('have sessions of any name beside what is told of one as a whole, by keys of another kind', async () => {
    const sessions = [{ name: 'detail a' }, { name: 'a' }];
    const board = { sessions: () => ({ sessions, details: [{ name: 'a' }], omitted: 0 }) } as unknown as Board;
    const sources = { board } as Parameters<typeof topicsOf>[3];
    const topics = topicsOf(['sessions'], { proxy: 'p', details: ['a'] } as never, {} as Call, sources);
    const { items } = (await topics.get('sessions')?.()) ?? { items: [] };
    expect(Array.from(items, ([key]) => key)).to.deep.equal(['session detail a', 'session a', 'detail a']);
  });
});
