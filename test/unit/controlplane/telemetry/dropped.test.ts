/** Changes that are being thought through when the control plane stops. */
import { expect } from 'chai';
import type { ChangeTrace, ChangeTracing } from '../../../../controlplane/core/change-trace.ts';
import { APPLY, object, startRig } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

describe('a recorded change', () => {
  it('ends where the control plane stops before it is brought to anybody', async () => {
    const told: string[] = [];
    const change: ChangeTrace = {
      translated: () => told.push('translated'),
      failed: () => told.push('failed'),
      dropped: () => told.push('dropped'),
    };
    let closing: Promise<void> | undefined;
    const tracing: ChangeTracing = {
      expect: () => undefined,
      begin: () => {
        closing = rig.configuration.close();
        return change;
      },
      push: () => undefined,
      observe: () => undefined,
      close: () => undefined,
    };
    const rig = await startRig({ tracing });
    const objects = Array.from({ length: 2000 }, (_, index) =>
      object('Cluster', `c${index}`, { spec: { protocol: 'Echo' } }),
    );
    await rig.call('Apply', { ...APPLY, objects });
    await until('the end', () => told.length > 0);
    await closing;
    expect(told).to.deep.equal(['dropped']);
    await rig.close();
  });
});
