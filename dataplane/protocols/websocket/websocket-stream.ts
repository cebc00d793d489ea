/** A WebSocket as Stream, either side. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { EndReason, Framing, Stream } from '../../core/stream.ts';

const TEXT = { binary: false, compress: true };
const BINARY = { binary: true, compress: true };

export class WebSocketStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  /** A close frame says that no more will come; what the peer has sent before its own still arrives. */
  readonly halfClose = true;
  private readonly socket: WebSocket;
  private readonly transport: Duplex;
  private readonly bytesAsText: boolean;
  /** What is written are chunks of a byte stream: their kind is configured. */
  private fromBytes = false;
  private pinger: NodeJS.Timeout | undefined;
  private failure: ProxyError | undefined;

  /** `pingInterval` in ms; 0 is none. `bytesAsText`: chunks of byte streams go out as text. */
  constructor(socket: WebSocket, transport: Duplex, pingInterval: number, bytesAsText = false) {
    super();
    this.socket = socket;
    this.transport = transport;
    this.bytesAsText = bytesAsText;
    socket.on('error', (error) => {
      this.failure ??= new ProxyError('PROTOCOL_ERROR', `WebSocket: ${error.message}`, error);
    });
    if (pingInterval > 0) this.ping(pingInterval);
  }

  adoptFraming(framing: Framing): void {
    this.fromBytes = framing === 'bytes';
  }

  protected start(): void {
    const { socket, sink } = this;
    socket.on('message', (data: Buffer, isBinary: boolean) => sink.data(data, !isBinary));
    socket.on('close', (code, reason) => {
      clearInterval(this.pinger);
      if (this.closed) return;
      // 1006: no close frame came. A peer that vanished has not ended in order.
      if (code === 1006) this.failure ??= new ProxyError('PEER_RESET', 'the WebSocket was cut without a close frame');
      if (this.failure === undefined) sink.end(code === 1005 ? undefined : { code, message: reason.toString() });
      this.emitClose(this.failure);
    });
    this.transport.on('drain', () => {
      if (!this.closed) sink.drain();
    });
  }

  write(chunk: Buffer, text: boolean): boolean {
    if (this.closed || this.socket.readyState !== this.socket.OPEN) return true;
    this.socket.send(chunk, text || (this.fromBytes && this.bytesAsText) ? TEXT : BINARY);
    return !this.transport.writableNeedDrain;
  }

  end(reason?: EndReason): void {
    if (this.closed) return;
    if (reason && isSendable(reason.code)) this.socket.close(reason.code, truncate(reason.message));
    else this.socket.close(1000);
  }

  pause(): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.pause();
  }

  resume(): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    clearInterval(this.pinger);
    this.failure ??= error;
    // A peer that can still be told is: 1001 going away, 1011 an error (RFC 6455, section 7.4.1).
    if (this.socket.readyState === this.socket.OPEN && !this.transport.writableNeedDrain) {
      this.socket.close(error ? 1011 : 1001);
      setTimeout(() => this.socket.terminate(), 1000).unref();
    } else {
      this.socket.terminate();
    }
    this.emitClose(this.failure);
  }

  /** A peer that answers no ping until the next is gone. */
  private ping(interval: number): void {
    let answered = true;
    this.socket.on('pong', () => {
      answered = true;
    });
    this.pinger = setInterval(() => {
      if (!answered) {
        this.destroy(new ProxyError('PEER_RESET', `no pong within ${interval} ms`));
        return;
      }
      answered = false;
      this.socket.ping();
    }, interval).unref();
  }
}

/** Codes that may stand in a close frame (RFC 6455, section 7.4). */
function isSendable(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  );
}

/** A reason has at most 123 bytes, and no half character. */
function truncate(message: string): string {
  const bytes = Buffer.from(message);
  return bytes.length <= 123
    ? message
    : bytes
        .subarray(0, 123)
        .toString('utf8')
        .replace(/\uFFFD+$/u, '');
}
