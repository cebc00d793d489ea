/** UNIX domain stream sockets, server side. */
import { createServer, type Server } from 'node:net';
import type { UnixDomainSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { SocketStream } from '../../core/socket-stream.ts';
import { checkPath, claimPath, isStreamAlive, setMode, systemPath } from '../../sockets/unix-path.ts';

export function createListener(context: ListenerContext<UnixDomainSocketListener>): Listener {
  return new UnixListener(context);
}

class UnixListener implements Listener {
  readonly address: string;
  private readonly mode: string | undefined;
  private readonly server: Server;

  constructor({ name, spec, accept, log }: ListenerContext<UnixDomainSocketListener>) {
    checkPath(spec.filename);
    this.address = spec.filename;
    this.mode = spec.mode;
    let counter = 0;
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      accept({
        name: `UNIX:${name}-${counter++}`,
        metadata: { UNIX: { filename: spec.filename } },
        stream: new SocketStream(socket),
      });
    });
    this.server.on('error', (error) => log.error({ listener: name, error: error.message }, 'accepting failed'));
  }

  async start(): Promise<void> {
    await claimPath(this.address, isStreamAlive);
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(ProxyError.from(error));
      this.server.once('error', fail);
      this.server.listen({ path: systemPath(this.address) }, () => {
        this.server.off('error', fail);
        try {
          setMode(this.address, this.mode);
          resolve();
        } catch (error) {
          this.server.close();
          reject(ProxyError.from(error));
        }
      });
    });
  }

  /** Node.js removes the file with the server. Connections live on with their sessions. */
  close(): Promise<void> {
    this.server.close();
    return Promise.resolve();
  }
}
