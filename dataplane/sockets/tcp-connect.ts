/** Connects over TCP: what connectors of all protocols over TCP stand on. */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Keepalive } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
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
    const { no_delay: noDelay = true, keepalive } = options;
    const { address: host, port, bind } = target;
    // One plain literal: spreading parts into it is slower than all the rest here.
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay,
      keepAlive: keepalive !== undefined,
      keepAliveInitialDelay: keepalive?.initial_delay ?? 0,
      localAddress: bind?.address,
      localPort: bind?.port,
    } as TcpNetConnectOpts);
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
