/** TCP, client side: a connection for each session. */
import type { TcpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { connectTcp } from '../../sockets/tcp-connect.ts';

export function createConnector({ spec }: ConnectorContext<TcpCluster>): Connector {
  return {
    connect: async ({ target, signal }) => new SocketStream(await connectTcp(target, spec, signal)),
  };
}
