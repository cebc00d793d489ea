/** UNIX datagram sockets, server side: a session for each source; all sources without a name share one, without answers. */
import type { UnixDatagramListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { inbox, MAX_MESSAGE } from '../../sockets/native/inbox.ts';
import { close, EAGAIN, EINTR, EPOLLIN, SOCK_DGRAM, systemError } from '../../sockets/native/libc.ts';
import { growSendBuffer } from '../../sockets/native/message-socket.ts';
import { type Watch, watch } from '../../sockets/native/poller.ts';
import { decodeUnix } from '../../sockets/native/sockaddr.ts';
import { bindUnix } from '../../sockets/native/unix-socket.ts';
import { checkPath } from '../../sockets/unix-path.ts';
import { type SharedSocket, SourceStream } from './source-stream.ts';

/** Datagrams that are read before others have their turn. */
const READ_BUDGET = 64;

/** What answers may fill until they are read, in bytes: those that one source leaves unread take room from all others'. */
const SEND_BUFFER = 4 * 1024 * 1024;

/** How long a session that takes nothing may hold up the others, in ms. */
const STALL = 1000;

export function createListener(context: ListenerContext<UnixDatagramListener>): Listener {
  return new DatagramListener(context);
}

class DatagramListener implements Listener, SharedSocket {
  readonly address: string;
  fd = -1;
  closed = false;
  private readonly context: ListenerContext<UnixDatagramListener>;
  private readonly sessions = new Map<string, SourceStream>();
  /** Sessions that hold up the socket: while there are any, nothing is read, and the kernel makes senders wait. */
  private readonly blockers = new Set<SourceStream>();
  private stall: NodeJS.Timeout | undefined;
  private watch: Watch | undefined;
  private unlink: (() => void) | undefined;
  private counter = 0;

  constructor(context: ListenerContext<UnixDatagramListener>) {
    checkPath(context.spec.filename);
    this.context = context;
    this.address = context.spec.filename;
  }

  async start(): Promise<void> {
    const { filename, mode } = this.context.spec;
    const { fd, unlink } = await bindUnix(SOCK_DGRAM, filename, mode);
    try {
      growSendBuffer(fd, SEND_BUFFER);
      this.watch = watch(fd, this.onReady);
    } catch (error) {
      close(fd);
      unlink();
      throw error;
    }
    this.fd = fd;
    this.unlink = unlink;
    this.watch.want(EPOLLIN);
  }

  private readonly onReady = (): void => {
    for (let budget = READ_BUDGET; budget > 0 && this.blockers.size === 0 && !this.closed; budget--) {
      const length = inbox.receive(this.fd);
      if (length >= 0) this.receive(length);
      else if (length !== -EINTR) {
        if (length !== -EAGAIN) this.complain(systemError('receiving', -length).message);
        return;
      }
    }
  };

  private receive(length: number): void {
    if (length > MAX_MESSAGE) {
      this.complain(`expected datagrams of at most ${MAX_MESSAGE} bytes, found ${length}`);
      return;
    }
    const key = inbox.nameKey;
    const datagram = inbox.copy(length); // before a session is made: that may receive something itself
    const stream = this.sessions.get(key) ?? this.makeSession(key);
    stream?.deliver(datagram);
  }

  private makeSession(key: string): SourceStream | undefined {
    const { name, spec, accept } = this.context;
    const source = decodeUnix(Buffer.from(key, 'latin1'));
    const stream = new SourceStream(this, key, source);
    this.sessions.set(key, stream);
    const accepted = accept({
      name: `UnixDatagram:${name}-${this.counter++}`,
      metadata: { UNIX: { filename: spec.filename, ...(source !== '' && { source }) } },
      stream,
    });
    return accepted ? stream : undefined;
  }

  block(stream: SourceStream): void {
    this.blockers.add(stream);
    this.watch?.rest();
    this.stall ??= setTimeout(() => this.giveUp(), STALL);
  }

  unblock(stream: SourceStream): void {
    if (this.blockers.delete(stream) && this.blockers.size === 0) this.readOn();
  }

  /** The others go on, at the cost of the sessions that hold them up. */
  private giveUp(): void {
    this.complain('sessions that take nothing held up the socket; their oldest datagrams are dropped');
    for (const stream of this.blockers) stream.lossy = true;
    this.blockers.clear();
    this.readOn();
  }

  private readOn(): void {
    clearTimeout(this.stall);
    this.stall = undefined;
    if (!this.closed) this.watch?.want(EPOLLIN);
  }

  release(stream: SourceStream): void {
    if (this.sessions.get(stream.key) === stream) this.sessions.delete(stream.key);
  }

  private complain(error: string): void {
    this.context.log.warn({ listener: this.context.name, error }, 'receiving datagrams failed');
  }

  /** The socket is that of the sessions, too. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (this.closed || this.watch === undefined) return Promise.resolve();
    const reason = new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`);
    for (const stream of [...this.sessions.values()]) stream.destroy(reason);
    this.closed = true;
    clearTimeout(this.stall);
    this.watch.close();
    close(this.fd);
    this.unlink?.();
    return Promise.resolve();
  }
}
