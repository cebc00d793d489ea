/** UNIX sequenced-packet sockets, client side. */
import type { UnixSeqpacketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { AF_UNIX, SOCK_SEQPACKET, socket } from '../../sockets/native/libc.ts';
import { connectUnix } from '../../sockets/native/unix-socket.ts';
import { SeqpacketStream } from './seqpacket-stream.ts';

export function createConnector({ spec }: ConnectorContext<UnixSeqpacketCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const path = target.address || spec.filename || '';
      const fd = socket(AF_UNIX, SOCK_SEQPACKET);
      await connectUnix(fd, path, signal);
      return new SeqpacketStream(fd, path);
    },
  };
}
