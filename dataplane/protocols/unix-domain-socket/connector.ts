/** UNIX domain stream sockets, client side. */
import { connect, Socket } from 'node:net';
import type { UnixDomainSocketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { checkPath } from '../../sockets/unix-path.ts';

export function createConnector({ spec }: ConnectorContext<UnixDomainSocketCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const path = target.address || spec.filename || '';
      checkPath(path);
      if (signal.aborted) throw ProxyError.from(signal.reason, 'CONNECT_FAILED');
      return new SocketStream(await (path.startsWith('@') ? connectNative : connectPath)(path, signal));
    },
  };
}

function connectPath(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const settle = (): void => {
      socket.off('error', fail).off('connect', succeed);
      signal.removeEventListener('abort', abort);
    };
    const fail = (error: NodeJS.ErrnoException): void => {
      settle();
      // A backlog that is full has room soon; UNIX sockets don't wait for it by themselves.
      if (error.code === 'EAGAIN') resolve(connectNative(path, signal));
      else {
        const { code, message } = ProxyError.from(error, 'CONNECT_FAILED');
        reject(new ProxyError(code, `connecting to ${path}: ${message}`, error));
      }
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
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** By system calls: Node.js fills abstract names up with zeros, which count, so no other process would have the name. */
async function connectNative(path: string, signal: AbortSignal): Promise<Socket> {
  const [{ connectUnix }, { AF_UNIX, SOCK_STREAM, socket }] = await Promise.all([
    import('../../sockets/native/unix-socket.ts'),
    import('../../sockets/native/libc.ts'),
  ]);
  const fd = socket(AF_UNIX, SOCK_STREAM);
  await connectUnix(fd, path, signal);
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
}
