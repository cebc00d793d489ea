import { expect } from 'chai';
import type { Session } from '../../../../controlplane/kubernetes/api/own-kinds.ts';
import { SessionReaper } from '../../../../controlplane/kubernetes/session-reaper.ts';
import { kubeReader } from '../../../support/kube-reader.ts';

/** A call, made an hour ago under this name. */
function session(uid: string, ttl: string): Session {
  const creationTimestamp = new Date(Date.now() - 3_600_000).toISOString();
  return {
    ...{ apiVersion: 'l7mp.io/v1', kind: 'Session' },
    metadata: { namespace: 'calls', name: 'call', uid, resourceVersion: '7', creationTimestamp },
    spec: { ttl, listeners: [] },
  };
}

const CALL = { kind: 'Session', namespace: 'calls', name: 'call' };

/** What is deleted where this is there, and a translation found the call to be over. */
async function deletedOf(held: readonly Session[], leads = true): Promise<object[]> {
  const deleted: object[] = [];
  const client = {
    delete: (_type: unknown, name: object, preconditions: object = {}) => {
      deleted.push({ ...name, ...preconditions });
      return Promise.resolve();
    },
  };
  const reaper = new SessionReaper(client, kubeReader(held), () => leads);
  reaper.set([CALL]);
  await reaper.idle();
  await reaper.close();
  return deleted;
}

describe('sessions whose time is over', () => {
  it('are deleted, as they are', async () => {
    const expected = { namespace: 'calls', name: 'call', uid: 'u-1', resourceVersion: '7' };
    expect(await deletedOf([session('u-1', '10m')])).to.deep.equal([expected]);
  });

  it('are kept where they were given more time, or another of their name has come', async () => {
    expect(await deletedOf([session('u-2', '2h')])).to.deep.equal([]);
  });

  it('are kept by those who do not lead', async () => {
    expect(await deletedOf([session('u-1', '10m')], false)).to.deep.equal([]);
  });
});
