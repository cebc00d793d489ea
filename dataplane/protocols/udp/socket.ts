/** UDP sockets, bound or connected. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../../core/errors.ts';

export interface BindOptions {
  readonly address: string;
  readonly port: number;
  /** Other sockets may have the port, too: the kernel spreads the sources among them. */
  readonly reusePort: boolean;
  /** Bytes; the system's default when 0. */
  readonly receiveBuffer: number;
}

/** A socket for addresses of this one's family; `::` takes IPv4, too. An error that nobody waits for is not thrown. */
export function newSocket(address: string, receiveBuffer: number): Socket {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    ...(receiveBuffer > 0 && { recvBufferSize: receiveBuffer }),
    // Addresses are resolved before: a synchronous look-up spares each session a trip through the event loop.
    lookup: (host, _options, callback) => {
      callback(null, host, isIPv6(host) ? 6 : 4);
    },
  });
  socket.on('error', () => undefined);
  return socket;
}

/** @throws ProxyError where the address can't be had; nothing is left behind. */
export async function bindSocket({ address, port, reusePort, receiveBuffer }: BindOptions): Promise<Socket> {
  const shared = reusePort ? (await import('./shared-port.ts')).bindShared(address, port) : undefined;
  const socket = newSocket(address, receiveBuffer);
  await attempt(socket, (done) => socket.bind(shared === undefined ? { port, address } : { fd: shared }, done));
  return socket;
}

/** @throws ProxyError where it can't be connected; it is closed then. */
export function connectSocket(socket: Socket, { address, port }: { address: string; port: number }): Promise<void> {
  return attempt(socket, (done) => socket.connect(port, address, done));
}

function attempt(socket: Socket, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.close();
      reject(ProxyError.from(error, 'CONNECT_FAILED'));
    };
    socket.once('error', fail);
    try {
      start(() => {
        socket.off('error', fail);
        resolve();
      });
    } catch (error) {
      socket.off('error', fail);
      fail(error);
    }
  });
}
