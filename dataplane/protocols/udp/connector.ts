/** UDP, client side: a connected socket for each session. */
import type { UdpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext, Target } from '../../core/protocol.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { DatagramStream } from './datagram-stream.ts';
import { SendQueue } from './send-queue.ts';
import { bindSocket, connectSocket, newSocket } from './socket.ts';

export function createConnector({ spec }: ConnectorContext<UdpCluster>): Connector {
  return { connect: ({ target }) => connect(target, spec) };
}

async function connect(target: Target, spec: UdpCluster): Promise<DatagramStream> {
  const { address, port, bind } = target;
  try {
    const socket = bind
      ? await bindSocket({
          address: bind.address ?? (address.includes(':') ? '::' : '0.0.0.0'),
          port: bind.port ?? 0,
          reusePort: false,
          receiveBuffer: spec.receive_buffer,
        })
      : newSocket(address, spec.receive_buffer);
    await connectSocket(socket, target);
    const stream = new DatagramStream({
      socket,
      queue: new SendQueue(socket),
      peer: target,
      isConnected: true,
      endsOnError: true,
      maxDatagram: spec.max_datagram || undefined,
      release: () => socket.close(),
    });
    socket.on('message', (datagram) => stream.deliver(datagram));
    // A connected socket reports ICMP errors of earlier datagrams (ECONNREFUSED): the endpoint is gone.
    socket.on('error', (error) => stream.failed(error));
    return stream;
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `connecting to ${formatAddress(address, port)}: ${message}`, error);
  }
}
