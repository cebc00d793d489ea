/** TLS, server side: a session for each connection whose handshake succeeds. */
import type { TlsListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { endsMetadata, sessionName } from '../../sockets/addresses.ts';
import { ConnectionServer } from '../../sockets/connection-server.ts';

export function createListener(context: ListenerContext<TlsListener>): Listener {
  const { spec, accept } = context;
  return new ConnectionServer(spec, context, ({ socket, ends, metadata }) => {
    accept({
      name: sessionName('TLS', ends),
      metadata: { ...endsMetadata('TCP', ends), ...metadata },
      stream: new SocketStream(socket),
    });
  });
}
