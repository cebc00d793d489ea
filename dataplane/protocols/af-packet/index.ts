/** AF_PACKET: frames of a network interface (packet(7)). */
import type { PacketCluster, PacketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Protocol } from '../../core/protocol.ts';
import { createConnector } from './connector.ts';
import { createListener } from './listener.ts';

export const protocol: Protocol<PacketListener, PacketCluster> = {
  name: 'AF_PACKET',
  local: true,
  listener: createListener,
  connector: createConnector,
};
