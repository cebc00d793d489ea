/** TCP: byte streams. */
import type { TcpCluster, TcpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<TcpListener, TcpCluster> = {
  name: 'TCP',
  listener: createListener,
  connector: createConnector,
};
