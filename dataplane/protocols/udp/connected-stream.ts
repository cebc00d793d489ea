/** A connected UDP socket as Stream: clusters' sessions, and the singleton session of a listener. */
import type { Socket } from 'node:dgram';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Flow, Stream } from '../../core/stream.ts';

/** What a byte stream is cut into where no size is configured: fits Ethernet with IPv6 and UDP headers (RFC 8200). */
export const DEFAULT_DATAGRAM = 1452;

/** Datagrams that may wait in the socket before `write` asks for a pause. */
const SEND_QUEUE = 256 * 1024;

export class ConnectedStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = false;
  readonly halfClose = false;
  readonly maxDatagram: number;
  private readonly socket: Socket;
  private full = false;

  /** It owns the socket, which is connected, from then on. */
  constructor(socket: Socket, maxDatagram: number = DEFAULT_DATAGRAM) {
    super();
    this.socket = socket;
    this.maxDatagram = maxDatagram;
    // A connected socket reports ICMP errors of earlier datagrams (ECONNREFUSED): the endpoint is gone.
    socket.on('error', (error) => {
      this.destroy(ProxyError.from(error, 'PEER_RESET'));
    });
    socket.on('close', () => {
      this.emitClose();
    });
  }

  protected start(): void {
    const { sink } = this;
    this.socket.on('message', (datagram) => {
      sink.data(datagram, false);
    });
  }

  write(datagram: Buffer): boolean {
    if (this.closed) return true;
    this.socket.send(datagram, this.onSent);
    if (this.socket.getSendQueueSize() < SEND_QUEUE) return true;
    this.full = true;
    return false;
  }

  private readonly onSent = (error: Error | null): void => {
    if (error) {
      const reason = ProxyError.from(error, 'PEER_RESET');
      // One datagram too large is that datagram's loss, as on any path.
      if (reason.code !== 'TOO_LARGE') this.destroy(reason);
    }
    if (this.full && this.socket.getSendQueueSize() < SEND_QUEUE / 2) {
      this.full = false;
      if (!this.closed) this.sink.drain();
    }
  };

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
    this.emitClose(error);
    this.socket.close();
  }

  offloadFlow(): Flow {
    const local = this.socket.address();
    const remote = this.socket.remoteAddress();
    return { transport: 'udp', local, remote };
  }
}
