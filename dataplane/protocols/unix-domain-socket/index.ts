/** UNIX domain stream sockets. */
import type { UnixDomainSocketCluster, UnixDomainSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<UnixDomainSocketListener, UnixDomainSocketCluster> = {
  name: 'UnixDomainSocket',
  local: true,
  listener: createListener,
  connector: createConnector,
};
