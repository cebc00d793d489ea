/** UNIX datagram sockets, client side: a connected socket for each session, with a name that answers come to. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { UnixDatagramCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { AF_UNIX, bind, close, SOCK_DGRAM, socket } from '../../sockets/native/libc.ts';
import { MessageSocket } from '../../sockets/native/message-socket.ts';
import { AUTOBIND } from '../../sockets/native/sockaddr.ts';
import { type BoundSocket, bindUnix, connectUnix, MAX_UNIX_DATAGRAM } from '../../sockets/native/unix-socket.ts';

export function createConnector({ spec }: ConnectorContext<UnixDatagramCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const peer = target.address || spec.filename || '';
      const { fd, unlink } = await (spec.bind_directory === undefined ? bindAbstract() : bindIn(spec.bind_directory));
      try {
        await connectUnix(fd, peer, signal);
      } catch (error) {
        unlink();
        throw error;
      }
      return new MessageSocket(fd, {
        peer,
        reliable: true,
        halfClose: false,
        maxDatagram: MAX_UNIX_DATAGRAM,
        onClosed: unlink,
      });
    },
  };
}

function bindAbstract(): BoundSocket {
  const fd = socket(AF_UNIX, SOCK_DGRAM);
  try {
    bind(fd, AUTOBIND, 'an abstract name');
  } catch (error) {
    close(fd);
    throw error;
  }
  return { fd, unlink: () => undefined };
}

/** Only the file's owner and group may answer, as the umask says. */
function bindIn(directory: string): Promise<BoundSocket> {
  return bindUnix(SOCK_DGRAM, join(directory, `l7mp-${process.pid}-${randomBytes(6).toString('hex')}`));
}
