/** AF_PACKET, client side: a socket on the interface for each session. */
import type { PacketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { OverflowTotal } from '../../sockets/overflow-total.ts';
import { openPacketSocket } from './packet-socket.ts';

export function createConnector({ name, spec }: ConnectorContext<PacketCluster>): Connector {
  const dropped = new OverflowTotal();
  return {
    connect: ({ target }) => {
      const device = target.address || spec.interface;
      if (device === undefined) {
        throw new ProxyError('INVALID_CONFIG', `cluster ${name}: expected the name of an interface, found none`);
      }
      return openPacketSocket(device, spec, dropped);
    },
    get overflow() {
      return dropped.value;
    },
  };
}
