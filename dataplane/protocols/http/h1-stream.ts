/** What both sides of an HTTP/1.1 message exchange share: the stream of one request and its response on a connection. */
import type { Duplex } from 'node:stream';
import { BaseStream } from '../../core/base-stream.ts';
import type { HeaderList } from '../../core/stream.ts';
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
