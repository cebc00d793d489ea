/** Logger: writes what passes. */
import type { LoggerCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol<object, LoggerCluster> = {
  name: 'Logger',
  local: true,
  connector: createConnector,
};
