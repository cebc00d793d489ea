/** A connected UNIX sequenced-packet socket as Stream. */
import { inbox } from '../../sockets/native/inbox.ts';
import { setOption, SO_PASSCRED, SOL_SOCKET } from '../../sockets/native/libc.ts';
import { MessageSocket } from '../../sockets/native/message-socket.ts';
import { MAX_UNIX_DATAGRAM } from '../../sockets/native/unix-socket.ts';

export class SeqpacketStream extends MessageSocket {
  /** It owns the descriptor, which is connected. */
  constructor(fd: number, peer: string) {
    super(fd, { peer, reliable: true, halfClose: true, maxDatagram: MAX_UNIX_DATAGRAM });
  }

  protected override start(): void {
    // Messages come with their sender's credentials, the end without: so an empty message is told from it.
    setOption(this.fd, SOL_SOCKET, SO_PASSCRED, 1);
    super.start();
  }

  protected override isEnd(): boolean {
    return inbox.controlLength === 0;
  }
}
