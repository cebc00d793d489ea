/** The embedded store: the contract, its file on the disk, and what happens to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../../../../controlplane/store/embedded/store.ts';
import { silentLogger } from '../../../../dataplane/core/log.ts';
import { storeContract } from '../../../support/store-contract.ts';

storeContract('embedded store', 'one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-store-'));
  let store = await openEmbedded(directory, silentLogger);
  return {
    store,
    replica: () => Promise.reject(new Error('it has one process')),
    reopen: async () => {
      await store.close();
      store = await openEmbedded(directory, silentLogger);
      return store;
    },
    close: async () => {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});
