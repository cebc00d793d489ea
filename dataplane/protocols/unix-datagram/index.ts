/** UNIX datagram sockets. */
import type { UnixDatagramCluster, UnixDatagramListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<UnixDatagramListener, UnixDatagramCluster> = {
  name: 'UnixDatagram',
  local: true,
  idleTimeout: 60_000,
  maxSessions: 65_536,
  listener: createListener,
  connector: createConnector,
};
