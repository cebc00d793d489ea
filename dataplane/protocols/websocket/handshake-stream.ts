/** A session whose handshake is answered when it is connected: from then on the stream is the WebSocket's. */
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import type { ProxyError } from '../../../common/errors.ts';
import type { Flow } from '../../core/offload.ts';
import type { Framing, Sink, Stream } from '../../core/stream.ts';
import { StreamWrapper } from '../../core/stream-wrapper.ts';
import { refuse } from './refusal.ts';

/** Answers the handshake. What it finds wrong with it, it tells the client itself, and closes the socket. */
export type Upgrade = (done: (stream: Stream) => void) => void;

export class HandshakeStream extends StreamWrapper {
  private readonly handshake: Handshake;
  private readonly upgrade: Upgrade;
  private adopted: Framing | undefined;

  constructor(socket: Socket, upgrade: Upgrade) {
    const handshake = new Handshake(socket);
    super(handshake);
    this.handshake = handshake;
    this.upgrade = upgrade;
  }

  override connected(): void {
    if (this.handshake.isOver) return;
    this.upgrade((stream) => {
      const sink = this.handshake.release();
      this.inner = stream;
      if (this.adopted) stream.adoptFraming?.(this.adopted);
      stream.open(sink);
    });
  }

  override flow(): Flow | string {
    return this.inner.flow?.() ?? 'a WebSocket before its handshake';
  }

  override adoptFraming(framing: Framing): void {
    this.adopted = framing;
    super.adoptFraming(framing);
  }
}

/** The socket until the handshake is answered: nothing comes or goes before that, but a refusal. */
class Handshake extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  readonly halfClose = true;
  httpStatus: number | undefined;
  private readonly socket: Socket;

  constructor(socket: Socket) {
    super();
    this.socket = socket;
    socket.once('close', this.onSocketClose);
  }

  private readonly onSocketClose = (): void => this.emitClose();

  get isOver(): boolean {
    return this.closed;
  }

  /** The socket is another stream's from now on, whose sink this is. */
  release(): Sink {
    this.socket.off('close', this.onSocketClose);
    return this.sink;
  }

  protected start(): void {
    // Nothing comes before the handshake is answered.
  }

  write(): boolean {
    return true;
  }

  end(): void {
    // A session that ends before it is connected is refused.
  }

  pause(): void {
    // There is nothing to hold back.
  }

  resume(): void {
    // Nothing was held back.
  }

  refuse(error: ProxyError): void {
    if (this.closed) return;
    this.httpStatus = refuse(this.socket, error);
    this.emitClose();
  }

  destroy(error?: ProxyError): void {
    this.socket.destroy();
    this.emitClose(error);
  }
}
