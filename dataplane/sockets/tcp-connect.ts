/** Connects over TCP: what connectors of all protocols over TCP stand on. */
import { connect, type Socket } from 'node:net';
import type { Keepalive } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../core/errors.ts';
import type { Target } from '../core/protocol.ts';
import { formatAddress } from './addresses.ts';

export interface TcpConnectOptions {
  readonly no_delay?: boolean;
  readonly keepalive?: Keepalive;
}

/** A connected socket that keeps half-close and has no listeners. @throws ProxyError, also where `signal` aborts. */
export function connectTcp(target: Target, options: TcpConnectOptions, signal: AbortSignal): Promise<Socket> {
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
      signal.removeEventListener('abort', abort);
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
    const abort = (): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(ProxyError.from(signal.reason, 'CONNECT_FAILED'));
    };
    socket.once('error', fail);
    socket.once('connect', succeed);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
