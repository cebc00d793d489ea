/** UDP: datagrams over IPv4 and IPv6. */
import type { UdpCluster, UdpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<UdpListener, UdpCluster> = {
  name: 'UDP',
  idleTimeout: 60_000,
  maxSessions: 65_536,
  listener: createListener,
  connector: createConnector,
};
