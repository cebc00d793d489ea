/** Sync: sessions meet, and hear each other. */
import type { SyncCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol<object, SyncCluster> = {
  name: 'Sync',
  local: true,
  connector: createConnector,
};
