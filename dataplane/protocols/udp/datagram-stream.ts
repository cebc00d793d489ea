/** The datagrams of one peer as Stream, on a socket that is connected to it or shared with others. */
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Flow } from '../../core/offload.ts';
import type { Stream } from '../../core/stream.ts';
import type { Receiver, Sender, UdpSocket, Writer } from './socket.ts';
import type { Source } from './source-table.ts';

/** What a byte stream is cut into where no size is configured: fits Ethernet with IPv6 and UDP headers (RFC 8200). */
const DEFAULT_DATAGRAM = 1452;

export interface DatagramStreamOptions {
  readonly socket: UdpSocket;
  readonly peer: Source;
  /** The socket is connected to the peer. */
  readonly isConnected: boolean;
  /** That a datagram can't be sent, or that the peer refuses it (ICMP), ends the stream. */
  readonly endsOnError?: boolean;
  readonly maxDatagram?: number | undefined;
  /** The stream is over: its owner lets go of it. */
  readonly release: (stream: DatagramStream) => void;
}

/** Told of its datagrams by the socket, or by the owner of one that is shared. */
export class DatagramStream extends BaseStream implements Stream, Source, Receiver, Writer {
  readonly framing = 'datagrams';
  readonly reliable = false;
  readonly halfClose = false;
  readonly maxDatagram: number;
  readonly address: string;
  readonly port: number;
  private readonly socket: UdpSocket;
  private readonly sender: Sender;
  private readonly endsOnError: boolean;
  private readonly release: (stream: DatagramStream) => void;

  constructor(options: DatagramStreamOptions) {
    super();
    const { socket, peer, isConnected, endsOnError = false, maxDatagram, release } = options;
    this.socket = socket;
    this.sender = socket.sender(this, isConnected ? undefined : peer);
    this.address = peer.address;
    this.port = peer.port;
    this.endsOnError = endsOnError;
    this.maxDatagram = maxDatagram ?? DEFAULT_DATAGRAM;
    this.release = release;
  }

  received(datagram: Buffer): void {
    this.sink.data(datagram, false);
  }

  flow(): Flow | string {
    const { address, port } = this;
    if (this.closed) return 'a socket that is closed';
    if (port === 0) return 'a peer without a port';
    try {
      const local = this.socket.localFor(this);
      if (local === undefined) return 'a socket with any address of the host, without system calls (koffi)';
      return { transport: 'udp', local, remote: { address, port } };
    } catch (error) {
      return `no way to the peer: ${ProxyError.from(error).message}`;
    }
  }

  protected start(): void {
    // The socket is read already.
  }

  write(datagram: Buffer): boolean {
    return this.closed || this.sender.send(datagram);
  }

  drained(): void {
    if (!this.closed) this.sink.drain();
  }

  /** One datagram too large is that datagram's loss, as on any path. */
  failed(error: ProxyError): void {
    if (this.endsOnError && error.code !== 'TOO_LARGE') this.destroy(error);
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
    this.sender.close();
    this.release(this);
    this.emitClose(error);
  }
}
