/** UNIX domain stream sockets, client side. */
import { connect } from 'node:net';
import type { UnixDomainSocketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import type { Stream } from '../../core/stream.ts';
import { checkPath, systemPath } from '../../sockets/unix-path.ts';

export function createConnector({ spec }: ConnectorContext<UnixDomainSocketCluster>): Connector {
  return {
    connect: ({ target, signal }) => {
      const path = target.address || spec.filename || '';
      checkPath(path);
      return new Promise<Stream>((resolve, reject) => {
        const socket = connect({ path: systemPath(path), allowHalfOpen: true });
        const abort = (): void => {
          socket.destroy();
          reject(ProxyError.from(signal.reason));
        };
        const fail = (error: Error): void => {
          const { code, message } = ProxyError.from(error, 'CONNECT_FAILED');
          reject(new ProxyError(code, `connecting to ${path}: ${message}`, error));
        };
        socket.once('error', fail);
        socket.once('connect', () => {
          socket.off('error', fail);
          signal.removeEventListener('abort', abort);
          resolve(new SocketStream(socket));
        });
        signal.addEventListener('abort', abort, { once: true });
      });
    },
  };
}
