/** UNIX domain stream sockets, server side. */
import { createServer, type ListenOptions, type Server } from 'node:net';
import type { UnixDomainSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../../../common/log.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { refuseLast } from '../../sockets/descriptors.ts';
import { listen } from '../../sockets/listen.ts';
import { checkPath, claimPath } from '../../sockets/unix-path.ts';

export function createListener(context: ListenerContext<UnixDomainSocketListener>): Listener {
  return new UnixListener(context);
}

class UnixListener implements Listener {
  readonly address: string;
  private readonly name: string;
  private readonly log: Logger;
  private readonly mode: string | undefined;
  private readonly server: Server;
  /** Removes the file that Node.js doesn't know of. */
  private unlink: (() => void) | undefined;

  constructor({ name, spec, accept, refused, log }: ListenerContext<UnixDomainSocketListener>) {
    checkPath(spec.filename);
    this.name = name;
    this.log = log;
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
  }

  async start(): Promise<void> {
    // Node.js fills abstract names up with zeros, and gives permissions only after others may have connected.
    const native = this.address.startsWith('@') || this.mode !== undefined;
    if (!native) await claimPath(this.address);
    const where = native ? await this.bind() : { path: this.address };
    try {
      await listen(this.server, where);
    } catch (error) {
      this.unlink?.();
      throw error;
    }
    this.server.on('error', (error) => {
      this.log.error({ listener: this.name, error: error.message }, 'accepting connections failed');
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
