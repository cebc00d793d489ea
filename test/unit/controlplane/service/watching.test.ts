/** Watches of objects that a test plays. */
import { expect } from 'chai';
import type * as m from '../../../../gen/messages.ts';
import type { Call } from '../../../../controlplane/core/rpc.ts';
import type { ConfigObject } from '../../../../controlplane/model/object.ts';
import type { Model } from '../../../../controlplane/service/model.ts';
import { watch } from '../../../../controlplane/service/watching.ts';
import { ADMIN } from '../../../support/controlplane.ts';

describe('a watch', () => {
  it('hears a feed once that is silent while statuses change again and again', async () => {
    let heard = 0;
    const silent = { then: () => (heard += 1) } as unknown as Promise<undefined>;
    let acked = 0;
    const key = { kind: 'Cluster', name: 'c' };
    const object = { key, id: 'Cluster/c', labels: {}, version: '1', revision: 1, source: 'store' };
    const listeners = new Set<() => void>();
    const model = {
      feeds: { subscribe: () => ({ next: () => silent, close: () => undefined }) },
      objects: () => [object as unknown as ConfigObject],
      get: () => object as unknown as ConfigObject,
      mirror: { revision: 1 },
      statusOf: () => ({ acked }) as m.ObjectStatus,
      onStatus: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    } as unknown as Model;
    const over = new AbortController();
    const call: Call = { identity: ADMIN, peer: '', metadata: {}, signal: over.signal };
    const types: string[] = [];
    for await (const { type } of watch(model, { kinds: [], status: true }, call)) {
      types.push(type);
      if (types.length === 5) break;
      acked++;
      for (const listener of listeners) listener();
    }
    over.abort();
    expect(types).to.deep.equal(['put', 'synced', 'status', 'status', 'status']);
    expect(heard).to.equal(1);
    expect(listeners.size).to.equal(0);
  });
});
