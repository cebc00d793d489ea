/** TCP, server side: a session for each connection. */
import type { TcpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { endsMetadata, sessionName } from '../../sockets/addresses.ts';
import { ConnectionServer } from '../../sockets/connection-server.ts';

export function createListener(context: ListenerContext<TcpListener>): Listener {
  const { spec, accept } = context;
  return new ConnectionServer(spec, context, ({ socket, ends, metadata }) => {
    accept({
      name: sessionName('TCP', ends),
      metadata: Object.assign(endsMetadata('TCP', ends), metadata),
      stream: new SocketStream(socket),
    });
  });
}
