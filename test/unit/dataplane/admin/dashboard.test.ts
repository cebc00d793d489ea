import { expect } from 'chai';
import { createTestApi, fakeSession, type TestApi } from '../../../support/admin.ts';

/** The keys of what a list has, as its first event tells them. */
async function keysOf(api: TestApi, topic: string): Promise<readonly string[]> {
  const { text } = await api.get(`/api/v1/events?topics=${topic}`);
  const [, data = ''] = /^data: (.*)$/mu.exec(text) ?? [];
  return (JSON.parse(data) as { put: [key: string, item: object][] }).put.map(([key]) => key);
}

describe('/api/v1/events', () => {
  it('has sessions of any name beside the engine, by keys of another kind', async () => {
    const api = createTestApi();
    const sessions = ['engine', 'detail a'].map(
      (session) => ({ session, listener: 'in', rate: 5, packets: 3, bytes: 30, state: 'kernel' }) as const,
    );
    api.offload = { handovers: 2, handbacks: 0, refusals: new Map(), sessions: () => sessions };
    for (const { session: name } of sessions) api.sessions.set(name, fakeSession({ name }));
    expect(await keysOf(api, 'offload')).to.deep.equal(['engine', 'session engine', 'session detail a']);
    expect(await keysOf(api, 'sessions')).to.deep.equal(['session engine', 'session detail a']);
  });

  it('has what is wrong with the configuration file, until it is taken again', async () => {
    const api = createTestApi();
    expect(await keysOf(api, 'faults')).to.deep.equal([]);
    api.refusal = { at: 0, file: 'l7mp.yaml', faults: ['a: expected 1, found 2 (line 3)', 'b: expected 1, found 2'] };
    expect(await keysOf(api, 'faults')).to.deep.equal([
      'configuration a: expected 1, found 2 (line 3)',
      'configuration b: expected 1, found 2',
    ]);
    api.refusal = undefined;
    expect(await keysOf(api, 'faults')).to.deep.equal([]);
  });
});
