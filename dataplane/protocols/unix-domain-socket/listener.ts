/** UNIX domain stream sockets, server side. */
import { createServer, type ListenOptions, type Server } from 'node:net';
import type { UnixDomainSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { refuseLast } from '../../sockets/descriptors.ts';
import { checkPath, claimPath } from '../../sockets/unix-path.ts';

/** Connections that may wait to be accepted; the system's net.core.somaxconn is a limit, too. */
const BACKLOG = 4096;

export function createListener(context: ListenerContext<UnixDomainSocketListener>): Listener {
  return new UnixListener(context);
}

class UnixListener implements Listener {
  readonly address: string;
  private readonly mode: string | undefined;
  private readonly server: Server;
  /** Removes the file that Node.js doesn't know of. */
  private unlink: (() => void) | undefined;

  constructor({ name, spec, accept, refused, log }: ListenerContext<UnixDomainSocketListener>) {
    checkPath(spec.filename);
    this.address = spec.filename;
    this.mode = spec.mode;
    let counter = 0;
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const shortage = refuseLast(socket);
      if (shortage) {
        refused(shortage);
        return;
      }
      accept({
        name: `UNIX:${name}-${counter++}`,
        metadata: { UNIX: { filename: spec.filename } },
        stream: new SocketStream(socket),
      });
    });
    this.server.on('error', (error) => log.error({ listener: name, error: error.message }, 'accepting failed'));
  }

  async start(): Promise<void> {
    // Node.js fills abstract names up with zeros, and gives permissions only after others may have connected.
    const native = this.address.startsWith('@') || this.mode !== undefined;
    if (!native) await claimPath(this.address);
    const where = native ? await this.bind() : { path: this.address };
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => {
        this.unlink?.();
        reject(ProxyError.from(error));
      };
      this.server.once('error', fail);
      this.server.listen({ ...where, backlog: BACKLOG }, () => {
        this.server.off('error', fail);
        resolve();
      });
    });
  }

  private async bind(): Promise<ListenOptions & { fd: number }> {
    const [{ bindUnix }, { SOCK_STREAM }] = await Promise.all([
      import('../../sockets/native/unix-socket.ts'),
      import('../../sockets/native/libc.ts'),
    ]);
    const { fd, unlink } = await bindUnix(SOCK_STREAM, this.address, this.mode);
    this.unlink = unlink;
    return { fd };
  }

  /** Node.js removes the file that it made. Connections live on with their sessions. */
  close(): Promise<void> {
    if (this.server.listening) this.server.close();
    this.unlink?.();
    return Promise.resolve();
  }
}
