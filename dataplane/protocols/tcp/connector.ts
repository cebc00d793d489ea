/** TCP, client side: a connection for each session. */
import type { TcpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';

export function createConnector(context: ConnectorContext<TcpCluster>): Connector {
  const { spec } = context;
  // A PROXY header is a first write, behind which the stream's own would wait.
  const atOnce = spec.no_delay && spec.proxy_protocol !== 'off';
  const later = spec.no_delay && !atOnce;
  const dialer = new ConnectionDialer({ ...spec, no_delay: atOnce }, context);
  return {
    connect: (request) =>
      dialer.connect(request).then((socket) => new SocketStream(socket, later ? socket : undefined)),
  };
}
