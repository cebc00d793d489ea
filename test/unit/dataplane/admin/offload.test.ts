import { expect } from 'chai';
import { createTestApi } from '../../../support/admin.ts';

describe('/api/v1/offload', () => {
  const counts = { handovers: 0, handbacks: 0, refusals: {}, sessions: [] };

  it('says that nobody asked for it', async () => {
    const { status, body } = await createTestApi().get('/api/v1/offload');
    expect(status).to.equal(200);
    expect(body).to.deep.equal({
      enabled: false,
      reason: 'kernel offload is not asked for (admin.offload)',
      ...counts,
    });
  });

  it('says why it can not be had', async () => {
    const api = createTestApi();
    api.offload = { ...counts, reason: 'no such kernel', refusals: new Map(), sessions: () => [] };
    expect((await api.get('/api/v1/offload')).body).to.deep.equal({
      enabled: false,
      reason: 'no such kernel',
      ...counts,
    });
  });

  it('says what is in the kernel', async () => {
    const api = createTestApi();
    const engine = { attachment: 'tcx', interfaces: ['eth0'], flows: 1, capacity: 2 };
    const session = { session: 's', listener: 'in', rate: 5, packets: 3, bytes: 30, state: 'kernel' } as const;
    const refusals = new Map([['mtu', 2]]);
    api.offload = { engine, handovers: 3, handbacks: 1, refusals, sessions: () => [session] };
    expect((await api.get('/api/v1/offload')).body).to.deep.equal({
      enabled: true,
      ...engine,
      handovers: 3,
      handbacks: 1,
      refusals: { mtu: 2 },
      sessions: [session],
    });
  });
});
