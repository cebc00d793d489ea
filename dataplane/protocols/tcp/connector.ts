/** TCP, client side: a connection for each session. */
import type { TcpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';

export function createConnector(context: ConnectorContext<TcpCluster>): Connector {
  const dialer = new ConnectionDialer(context.spec, context);
  return {
    connect: (request) => dialer.connect(request).then((socket) => new SocketStream(socket)),
  };
}
