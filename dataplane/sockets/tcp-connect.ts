/** Connects over TCP: what connectors of all protocols over TCP stand on. */
import { connect, type Socket } from 'node:net';
import type { Keepalive } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../core/errors.ts';
import type { ConnectRequest } from '../core/protocol.ts';
import { formatAddress } from './addresses.ts';

export interface TcpConnectOptions {
  readonly no_delay?: boolean;
  readonly keepalive?: Keepalive;
}

/** Who wants a connection: where to, and how it may be given up. */
export type DialRequest = Pick<ConnectRequest, 'target' | 'metadata' | 'signal' | 'onAbort'>;

/** A connected socket that keeps half-close and has no listeners. @throws ProxyError, also where it is aborted. */
export function connectTcp(request: DialRequest, options: TcpConnectOptions): Promise<Socket> {
  const { target } = request;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.address,
      port: target.port,
      allowHalfOpen: true,
      noDelay: options.no_delay ?? true,
      ...(options.keepalive && { keepAlive: true, keepAliveInitialDelay: options.keepalive.initial_delay }),
      ...(target.bind?.address !== undefined && { localAddress: target.bind.address }),
      ...(target.bind?.port !== undefined && { localPort: target.bind.port }),
    });
    const settle = (): void => {
      socket.off('error', fail);
      socket.off('connect', succeed);
      request.onAbort(undefined);
    };
    const fail = (error: Error): void => {
      settle();
      const reason = ProxyError.from(error, 'CONNECT_FAILED');
      const where = formatAddress(target.address, target.port);
      reject(new ProxyError(reason.code, `connecting to ${where}: ${reason.message}`, error));
    };
    const succeed = (): void => {
      settle();
      resolve(socket);
    };
    socket.on('error', fail);
    socket.on('connect', succeed);
    request.onAbort((reason) => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(reason);
    });
  });
}
