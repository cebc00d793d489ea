/** UNIX sequenced-packet sockets, server side: a session for each connection. */
import type { UnixSeqpacketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { Acceptor } from '../../sockets/native/acceptor.ts';
import { close, getOption, listen, SO_PEERCRED, SOCK_SEQPACKET, SOL_SOCKET } from '../../sockets/native/libc.ts';
import { type BoundSocket, bindUnix } from '../../sockets/native/unix-socket.ts';
import { checkPath } from '../../sockets/unix-path.ts';
import { SeqpacketStream } from './seqpacket-stream.ts';

/** Connections that may wait to be accepted; the system's net.core.somaxconn is a limit, too. */
const BACKLOG = 4096;

export function createListener(context: ListenerContext<UnixSeqpacketListener>): Listener {
  return new SeqpacketListener(context);
}

class SeqpacketListener implements Listener {
  readonly address: string;
  private readonly context: ListenerContext<UnixSeqpacketListener>;
  private bound: BoundSocket | undefined;
  private acceptor: Acceptor | undefined;
  private counter = 0;

  constructor(context: ListenerContext<UnixSeqpacketListener>) {
    checkPath(context.spec.filename);
    this.context = context;
    this.address = context.spec.filename;
  }

  async start(): Promise<void> {
    const { name, spec, log, refused } = this.context;
    const bound = await bindUnix(SOCK_SEQPACKET, spec.filename, spec.mode);
    try {
      listen(bound.fd, BACKLOG);
      this.acceptor = new Acceptor({ fd: bound.fd, name, log, refused, onConnection: (fd) => this.take(fd) });
      this.bound = bound;
    } catch (error) {
      close(bound.fd);
      bound.unlink();
      throw ProxyError.from(error);
    }
  }

  private take(fd: number): void {
    const { name, spec, accept } = this.context;
    // struct ucred (linux/socket.h)
    const credentials = getOption(fd, SOL_SOCKET, SO_PEERCRED, 12);
    const stream = new SeqpacketStream(fd, spec.filename);
    accept({
      name: `UnixSeqpacket:${name}-${this.counter++}`,
      metadata: {
        UNIX: {
          filename: spec.filename,
          pid: credentials.readInt32LE(0),
          uid: credentials.readUInt32LE(4),
          gid: credentials.readUInt32LE(8),
        },
      },
      stream,
    });
  }

  /** Connections live on with their sessions. */
  close(): Promise<void> {
    this.acceptor?.close();
    this.bound?.unlink();
    return Promise.resolve();
  }
}
