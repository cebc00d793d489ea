/** What both sides of an HTTP/1.1 message exchange share: the stream of one request and its response on a connection. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BaseStream } from '../../core/base-stream.ts';
import type { Flow } from '../../core/offload.ts';
import type { HeaderList } from '../../core/stream.ts';
import { isTcp, tcpFlow } from '../../core/tcp-flow.ts';
import type { BodySink } from './codec.ts';
import type { Outbox } from './outbox.ts';

/** What a stream writes to. */
export interface Http1Connection {
  readonly socket: Duplex;
  readonly outbox: Outbox;
}

export abstract class Http1Stream extends BaseStream implements BodySink {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  /** Both sides have said that the connection is theirs: bytes, until both have ended. */
  tunnelling = false;
  protected abstract readonly connection: Http1Connection;

  /** A tunnel has the connection for itself. */
  flow(): Flow | string {
    if (!this.tunnelling) return 'HTTP';
    return this.closed ? 'a connection that is closed' : tcpFlow(this.connection.socket);
  }

  get tcpSocket(): Socket | undefined {
    const { socket } = this.connection;
    return this.tunnelling && isTcp(socket) ? socket : undefined;
  }

  // What the connection tells.

  bodyData(chunk: Buffer): void {
    if (!this.closed) this.sink.data(chunk, false);
  }

  bodyTrailers(headers: HeaderList): void {
    if (!this.closed) this.sink.signal({ type: 'trailers', headers });
  }

  /** Of a tunnel. */
  received(chunk: Buffer): void {
    if (!this.closed) this.sink.data(chunk, false);
  }

  drained(): void {
    if (!this.closed) this.sink.drain();
  }

  // What the session asks. Once it is closed, the connection may have gone to the next request.

  pause(): void {
    if (!this.closed) this.connection.socket.pause();
  }

  resume(): void {
    if (!this.closed) this.connection.socket.resume();
  }
}
