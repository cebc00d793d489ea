/** A session whose handshake is answered when it is connected: from then on the stream is the WebSocket's. */
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import type { ProxyError } from '../../../common/errors.ts';
import type { EndReason, Framing, Sink, Stream } from '../../core/stream.ts';
import { refuse } from './refusal.ts';
import type { WebSocketStream } from './websocket-stream.ts';

/** Answers the handshake. What it finds wrong with it, it tells the client itself, and closes the socket. */
export type Upgrade = (done: (stream: WebSocketStream) => void) => void;

export class HandshakeStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly socket: Socket;
  private readonly upgrade: Upgrade;
  private inner: WebSocketStream | undefined;
  private adopted: Framing | undefined;

  constructor(socket: Socket, upgrade: Upgrade) {
    super();
    this.socket = socket;
    this.upgrade = upgrade;
    socket.once('close', this.onSocketClose);
  }

  private readonly onSocketClose = (): void => this.emitClose();

  protected start(): void {
    // Nothing comes before the handshake is answered.
  }

  connected(): void {
    if (this.closed) return;
    this.upgrade((stream) => {
      this.socket.off('close', this.onSocketClose);
      this.inner = stream;
      if (this.adopted) stream.adoptFraming(this.adopted);
      stream.open(this.forward(this.sink));
    });
  }

  private forward(sink: Sink): Sink {
    return {
      data: (chunk, text) => sink.data(chunk, text),
      signal: (signal) => sink.signal(signal),
      end: (reason) => sink.end(reason),
      drain: () => sink.drain(),
      close: (error) => this.emitClose(error),
    };
  }

  refuse(error: ProxyError): void {
    if (this.closed) return;
    refuse(this.socket, error);
    this.emitClose();
  }

  adoptFraming(framing: Framing): void {
    this.adopted = framing;
    this.inner?.adoptFraming(framing);
  }

  write(chunk: Buffer, text: boolean): boolean {
    return this.inner?.write(chunk, text) ?? true;
  }

  end(reason?: EndReason): void {
    this.inner?.end(reason);
  }

  pause(): void {
    this.inner?.pause();
  }

  resume(): void {
    this.inner?.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.inner) this.inner.destroy(error);
    else {
      this.socket.destroy();
      this.emitClose(error);
    }
  }
}
