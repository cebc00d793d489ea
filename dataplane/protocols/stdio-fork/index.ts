/** StdioFork: the standard input and output of a child process for each session. */
import type { StdioForkCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';

export const protocol: Protocol<object, StdioForkCluster> = {
  name: 'StdioFork',
  local: true,
  connector: createConnector,
};
