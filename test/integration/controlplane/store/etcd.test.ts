/** The store in etcd: the contract, on a real etcd. */
import { randomUUID } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import type { Store } from '../../../../controlplane/core/store.ts';
import { openEtcd } from '../../../../controlplane/store/etcd/store.ts';
import { silentLogger } from '../../../../dataplane/core/log.ts';
import { Etcd } from '../../../support/etcd.ts';
import { storeContract } from '../../../support/store-contract.ts';

describe('etcd', function () {
  this.timeout(60_000);
  let etcd: Etcd;
  before(async () => {
    etcd = await Etcd.start();
  });
  after(() => etcd.stop());

  storeContract('store in etcd', 'many', async () => {
    const root = `/${randomUUID()}`;
    const opened: Store[] = [];
    const open = async (): Promise<Store> => {
      const options = { endpoints: [etcd.address], credentials: credentials.createInsecure(), root };
      const store = await openEtcd(options, silentLogger);
      opened.push(store);
      return store;
    };
    const store = await open();
    return {
      store,
      replica: open,
      reopen: async () => {
        await store.close();
        return await open();
      },
      close: async () => {
        await Promise.all(opened.map((each) => each.close()));
      },
    };
  });
});
