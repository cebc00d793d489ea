/** Pipe: named pipes (FIFO). */
import type { PipeCluster, PipeListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<PipeListener, PipeCluster> = {
  name: 'Pipe',
  local: true,
  listener: createListener,
  connector: createConnector,
};
