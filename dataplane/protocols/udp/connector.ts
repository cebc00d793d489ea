/** UDP, client side: a connected socket for each session. */
import type { UdpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, Target } from '../../core/protocol.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { DatagramStream } from './datagram-stream.ts';
import { openSocket } from './open-socket.ts';

export function createConnector({ spec }: ConnectorContext<UdpCluster>): Connector {
  return { connect: ({ target }) => connect(target, spec) };
}

async function connect(target: Target, spec: UdpCluster): Promise<DatagramStream> {
  const { address, port, bind } = target;
  try {
    const socket = await openSocket({
      local: bind && { address: bind.address ?? (address.includes(':') ? '::' : '0.0.0.0'), port: bind.port ?? 0 },
      peer: target,
      receiveBuffer: spec.receive_buffer,
    });
    const stream = new DatagramStream({
      socket,
      peer: target,
      isConnected: true,
      // ICMP says that the endpoint is gone (ECONNREFUSED).
      endsOnError: true,
      maxDatagram: spec.max_datagram || undefined,
      release: () => void socket.close(),
    });
    socket.start(stream);
    return stream;
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `connecting to ${formatAddress(address, port)}: ${message}`, error);
  }
}
