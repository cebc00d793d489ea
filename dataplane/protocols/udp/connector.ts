/** UDP, client side: a connected socket for each session. */
import type { UdpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest } from '../../core/protocol.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { OverflowTotal } from '../../sockets/overflow-total.ts';
import { DatagramStream } from './datagram-stream.ts';
import { openSocket } from './open-socket.ts';
import type { UdpSocket } from './socket.ts';

export function createConnector({ spec }: ConnectorContext<UdpCluster>): Connector {
  return new UdpConnector(spec);
}

class UdpConnector implements Connector {
  private readonly spec: UdpCluster;
  private readonly dropped = new OverflowTotal();

  constructor(spec: UdpCluster) {
    this.spec = spec;
  }

  get overflow(): number {
    return this.dropped.value;
  }

  async connect({ target, from }: ConnectRequest): Promise<DatagramStream> {
    const { address, port, bind } = target;
    try {
      const socket = await openSocket({
        local:
          from ??
          (bind && { address: bind.address ?? (address.includes(':') ? '::' : '0.0.0.0'), port: bind.port ?? 0 }),
        peer: target,
        receiveBuffer: this.spec.receive_buffer,
      });
      this.dropped.add(socket);
      const stream = new DatagramStream({
        socket,
        peer: target,
        isConnected: true,
        // ICMP says that the endpoint is gone (ECONNREFUSED).
        endsOnError: true,
        maxDatagram: this.spec.max_datagram || undefined,
        release: () => this.release(socket),
      });
      socket.start(stream);
      return stream;
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      throw new ProxyError(code, `connecting to ${formatAddress(address, port)}: ${message}`, error);
    }
  }

  private release(socket: UdpSocket): void {
    this.dropped.remove(socket);
    void socket.close();
  }
}
