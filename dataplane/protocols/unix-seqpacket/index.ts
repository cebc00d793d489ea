/** UNIX sequenced-packet sockets: connections that keep message boundaries. */
import type { UnixSeqpacketCluster, UnixSeqpacketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<UnixSeqpacketListener, UnixSeqpacketCluster> = {
  name: 'UnixSeqpacket',
  local: true,
  listener: createListener,
  connector: createConnector,
};
