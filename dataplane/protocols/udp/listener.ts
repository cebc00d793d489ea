/** UDP, server side: a session for each source (server mode), or one for one peer (singleton mode). */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { UdpListener } from '../../../gen/l7mp/config/v1/types.ts';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import type { Flow, Stream } from '../../core/stream.ts';
import { endsMetadata, formatAddress, plainAddress, sessionName } from '../../sockets/addresses.ts';
import { DEFAULT_DATAGRAM } from './connected-stream.ts';

export function createListener(context: ListenerContext<UdpListener>): Listener {
  return new ServerListener(context);
}

/** One socket; datagrams go to the session of their source. */
class ServerListener implements Listener {
  private readonly context: ListenerContext<UdpListener>;
  private readonly sessions = new Map<string, SourceStream>();
  private socket: Socket | undefined;
  private counter = 0;

  constructor(context: ListenerContext<UdpListener>) {
    this.context = context;
  }

  get address(): string {
    if (!this.socket) return '';
    const { address, port } = this.socket.address();
    return formatAddress(address, port);
  }

  start(): Promise<void> {
    const { spec, log } = this.context;
    const socket = createSocket({
      type: isIPv6(spec.address) ? 'udp6' : 'udp4',
      ...(spec.options.receive_buffer > 0 && { recvBufferSize: spec.options.receive_buffer }),
      lookup: (address, _options, callback) => {
        callback(null, address, isIPv6(address) ? 6 : 4);
      },
    });
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        socket.close();
        reject(ProxyError.from(error));
      };
      socket.once('error', fail);
      socket.bind({ port: spec.port, address: spec.address }, () => {
        socket.off('error', fail);
        socket.on('error', (error) => {
          log.error({ error: error.message }, 'receiving datagrams failed');
        });
        this.socket = socket;
        socket.on('message', (datagram, source) => {
          this.receive(socket, datagram, source.address, source.port);
        });
        resolve();
      });
    });
  }

  private receive(socket: Socket, datagram: Buffer, address: string, port: number): void {
    const key = `${address}:${String(port)}`;
    let stream = this.sessions.get(key);
    if (stream === undefined) {
      const { connect } = this.context.spec;
      if (connect?.address !== undefined && connect.address !== plainAddress(address)) return;
      if (connect !== undefined && connect.port !== 0 && connect.port !== port) return;
      const local = socket.address();
      const ends = {
        srcAddress: plainAddress(address),
        srcPort: port,
        dstAddress: plainAddress(local.address),
        dstPort: local.port,
      };
      stream = new SourceStream(socket, address, port, () => this.sessions.delete(key));
      this.sessions.set(key, stream);
      const name = `${sessionName('UDP', ends)}-${String(this.counter++)}`;
      if (!this.context.accept({ name, metadata: endsMetadata('UDP', ends), stream })) return;
    }
    stream.deliver(datagram);
  }

  close(): Promise<void> {
    const { socket } = this;
    if (!socket) return Promise.resolve();
    this.socket = undefined;
    for (const stream of [...this.sessions.values()]) {
      stream.destroy(new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`));
    }
    return new Promise((resolve) => {
      socket.close(resolve);
    });
  }
}

/** The datagrams of one source on a shared socket. */
class SourceStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = false;
  readonly halfClose = false;
  readonly maxDatagram = DEFAULT_DATAGRAM;
  private readonly socket: Socket;
  private readonly address: string;
  private readonly port: number;
  private readonly release: () => void;

  constructor(socket: Socket, address: string, port: number, release: () => void) {
    super();
    this.socket = socket;
    this.address = address;
    this.port = port;
    this.release = release;
  }

  deliver(datagram: Buffer): void {
    this.sink.data(datagram, false);
  }

  protected start(): void {
    // Datagrams are delivered by the listener.
  }

  write(datagram: Buffer): boolean {
    if (!this.closed) this.socket.send(datagram, this.port, this.address);
    return true;
  }

  end(): void {
    // UDP has no word for it.
  }

  pause(): void {
    // The socket is shared: nothing can be held back.
  }

  resume(): void {
    // Nothing was held back.
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.release();
    this.emitClose(error);
  }

  offloadFlow(): Flow {
    return {
      transport: 'udp',
      local: this.socket.address(),
      remote: { address: this.address, port: this.port },
    };
  }
}
