/** The datagrams of one peer as Stream, on a socket that is connected to it or shared with others. */
import type { Socket } from 'node:dgram';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Flow, Stream } from '../../core/stream.ts';
import type { SendQueue, Writer } from './send-queue.ts';
import type { Source } from './source-table.ts';

/** What a byte stream is cut into where no size is configured: fits Ethernet with IPv6 and UDP headers (RFC 8200). */
const DEFAULT_DATAGRAM = 1452;

export interface DatagramStreamOptions {
  readonly socket: Socket;
  readonly queue: SendQueue;
  readonly peer: Source;
  /** The socket is connected to the peer. */
  readonly isConnected: boolean;
  /** That a datagram can't be sent, or that the peer refuses it (ICMP), ends the stream. */
  readonly endsOnError?: boolean;
  readonly maxDatagram?: number | undefined;
  /** The stream is over: its owner lets go of it. */
  readonly release: (stream: DatagramStream) => void;
}

/** Its owner reads the socket, and delivers. */
export class DatagramStream extends BaseStream implements Stream, Source, Writer {
  readonly framing = 'datagrams';
  readonly reliable = false;
  readonly halfClose = false;
  readonly maxDatagram: number;
  readonly address: string;
  readonly port: number;
  private readonly socket: Socket;
  private readonly queue: SendQueue;
  private readonly isConnected: boolean;
  private readonly endsOnError: boolean;
  private readonly release: (stream: DatagramStream) => void;

  constructor(options: DatagramStreamOptions) {
    super();
    const { socket, queue, peer, isConnected, endsOnError = false, maxDatagram, release } = options;
    this.socket = socket;
    this.queue = queue;
    this.address = peer.address;
    this.port = peer.port;
    this.isConnected = isConnected;
    this.endsOnError = endsOnError;
    this.maxDatagram = maxDatagram ?? DEFAULT_DATAGRAM;
    this.release = release;
  }

  deliver(datagram: Buffer): void {
    this.sink.data(datagram, false);
  }

  protected start(): void {
    // Datagrams are delivered by the owner of the socket.
  }

  write(datagram: Buffer): boolean {
    if (this.closed) return true;
    const { socket, queue } = this;
    if (queue.due) {
      const callback = queue.callbackFor(this);
      if (this.isConnected) socket.send(datagram, callback);
      else socket.send(datagram, this.port, this.address, callback);
      return queue.hasRoom(this);
    }
    if (this.isConnected) socket.send(datagram);
    else socket.send(datagram, this.port, this.address);
    return true;
  }

  drained(): void {
    if (!this.closed) this.sink.drain();
  }

  /** One datagram too large is that datagram's loss, as on any path. */
  failed(error: Error): void {
    const reason = ProxyError.from(error, 'PEER_RESET');
    if (this.endsOnError && reason.code !== 'TOO_LARGE') this.destroy(reason);
  }

  end(): void {
    // UDP has no word for it.
  }

  pause(): void {
    // Nothing holds a UDP peer back.
  }

  resume(): void {
    // Nothing was held back.
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.queue.leave(this);
    this.release(this);
    this.emitClose(error);
  }

  offloadFlow(): Flow | undefined {
    if (this.closed) return undefined;
    return { transport: 'udp', local: this.socket.address(), remote: { address: this.address, port: this.port } };
  }
}
