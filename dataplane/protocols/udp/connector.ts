/** UDP, client side: a connected socket for each session. */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { UdpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { ConnectedStream } from './connected-stream.ts';

export function createConnector({ spec }: ConnectorContext<UdpCluster>): Connector {
  return {
    connect: ({ target }) =>
      new Promise((resolve, reject) => {
        const socket = createSocket({
          type: isIPv6(target.address) ? 'udp6' : 'udp4',
          // Addresses are resolved before: a synchronous look-up spares each session a trip through the event loop.
          lookup: (address, _options, callback) => {
            callback(null, address, isIPv6(address) ? 6 : 4);
          },
        });
        const fail = (error: Error): void => {
          socket.close();
          reject(ProxyError.from(error, 'CONNECT_FAILED'));
        };
        socket.once('error', fail);
        const connect = (): void => {
          socket.connect(target.port, target.address, () => {
            socket.off('error', fail);
            resolve(new ConnectedStream(socket, spec.max_datagram || undefined));
          });
        };
        if (target.bind) socket.bind({ port: target.bind.port ?? 0, address: target.bind.address ?? '' }, connect);
        else connect();
      }),
  };
}
