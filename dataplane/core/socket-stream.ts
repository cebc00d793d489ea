/** A Node.js byte stream (TCP, TLS, UNIX sockets, a child's stdio) as Stream. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BaseStream } from './base-stream.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Flow } from './offload.ts';
import type { Sink, Stream } from './stream.ts';
import { isPlain, isTcp, tcpFlow } from './tcp-flow.ts';

/** Wraps a duplex that keeps half-close (`allowHalfOpen`) and has read nothing yet. It owns the duplex from then on. */
export class SocketStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly socket: Duplex;
  private failure: ProxyError | undefined;

  constructor(socket: Duplex) {
    super();
    this.socket = socket;
    // A socket may fail before the session opens the stream; unheard, the event would end the process.
    socket.on('error', (error) => {
      this.failure ??= ProxyError.from(error, 'PEER_RESET');
    });
    socket.on('close', () => {
      this.emitClose(this.failure);
    });
    if (socket.destroyed) this.emitClose(this.failure);
  }

  get tcpSocket(): Socket | undefined {
    return isTcp(this.socket) ? this.socket : undefined;
  }

  flow(): Flow | string {
    return this.closed ? 'a connection that is closed' : tcpFlow(this.socket);
  }

  protected start(): void {
    const { socket, sink } = this;
    socket.on('end', () => {
      sink.end();
    });
    socket.on('drain', () => {
      sink.drain();
    });
    socket.on('data', (chunk: Buffer) => {
      sink.data(chunk, false);
    });
  }

  override open(sink: Sink): void {
    super.open(sink);
    if (this.socket.readableEnded && !this.closed) sink.end();
  }

  write(chunk: Buffer): boolean {
    return this.socket.write(chunk);
  }

  end(): void {
    const { socket } = this;
    // Where nothing is left to be read or written, closing tells of the end as shutdown does: it is one system call less.
    if (isPlain(socket) && socket.readableEnded && socket.writableLength === 0) socket.destroy();
    else socket.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  destroy(error?: ProxyError): void {
    if (error) this.failure ??= error;
    const { socket } = this;
    // Node.js throws where TLS or a UNIX socket is asked for a reset.
    if (error && isTcp(socket)) socket.resetAndDestroy();
    else socket.destroy();
  }
}
