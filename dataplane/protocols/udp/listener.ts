/** UDP, server side: a session for each source (server mode), or for one peer at a time (singleton mode). */
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { UdpListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { endsMetadata, formatAddress, plainAddress, sessionName } from '../../sockets/addresses.ts';
import { DatagramStream } from './datagram-stream.ts';
import { SendQueue } from './send-queue.ts';
import { bindSocket, connectSocket } from './socket.ts';
import { type Source, SourceTable } from './source-table.ts';

export function createListener(context: ListenerContext<UdpListener>): Listener {
  const { spec } = context;
  const { address = '', port = 0 } = spec.connect ?? {};
  const whole = address !== '' && port > 0;
  const mode = spec.options.mode ?? (whole ? 'singleton' : 'server');
  return mode === 'singleton' && whole
    ? new PeerListener(context, { address, port })
    : new SourceListener(context, mode === 'singleton');
}

/** What both have: one socket, and sessions on it. */
abstract class SocketListener implements Listener {
  protected readonly context: ListenerContext<UdpListener>;
  protected queue: SendQueue | undefined;
  protected socket: Socket | undefined;
  private local: Source = { address: '', port: 0 };
  private counter = 0;
  private failedAt = -Infinity;

  constructor(context: ListenerContext<UdpListener>) {
    this.context = context;
  }

  get address(): string {
    return this.socket ? formatAddress(this.local.address, this.local.port) : '';
  }

  async start(): Promise<void> {
    const { address, port, options } = this.context.spec;
    const { reuse_port: reusePort, receive_buffer: receiveBuffer } = options;
    const socket = await bindSocket({ address, port, reusePort, receiveBuffer });
    await this.prepare(socket);
    this.socket = socket;
    this.local = socket.address();
    this.queue = new SendQueue(socket);
    socket.on('error', (error) => this.failed(error));
    socket.on('message', (datagram, source) => this.receive(datagram, source.address, source.port));
    this.started();
  }

  close(): Promise<void> {
    const { socket } = this;
    if (socket === undefined) return Promise.resolve();
    this.socket = undefined;
    const reason = new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`);
    for (const stream of this.streams()) stream.destroy(reason);
    return new Promise((resolve) => {
      socket.close(resolve);
    });
  }

  /** A stream that is known to `streams`, before its session is there. */
  protected newStream(peer: Source, isConnected: boolean, release: (stream: DatagramStream) => void): DatagramStream {
    const { socket, queue } = this;
    if (socket === undefined || queue === undefined) throw new ProxyError('LISTENER_CLOSED', 'the socket is closed');
    return new DatagramStream({ socket, queue, peer, isConnected, release });
  }

  /** False where it was refused; the stream is destroyed then. */
  protected accept(stream: DatagramStream): boolean {
    const ends = {
      srcAddress: plainAddress(stream.address),
      srcPort: stream.port,
      dstAddress: plainAddress(this.local.address),
      dstPort: this.local.port,
    };
    const name = `${sessionName('UDP', ends)}-${this.counter++}`;
    return this.context.accept({ name, metadata: endsMetadata('UDP', ends), stream });
  }

  /** Not more than once a second: under load the same error comes with every datagram. */
  private failed(error: Error): void {
    if (this.ignores(error) || Date.now() - this.failedAt < 1000) return;
    this.failedAt = Date.now();
    this.context.log.error({ listener: this.context.name, error: error.message }, 'receiving datagrams failed');
  }

  protected abstract prepare(socket: Socket): Promise<void>;
  protected abstract started(): void;
  protected abstract receive(datagram: Buffer, address: string, port: number): void;
  protected abstract streams(): readonly DatagramStream[];
  protected abstract ignores(error: Error): boolean;
}

/** Datagrams go to the session of their source. With `single`, the first source is the only one while it has a session. */
class SourceListener extends SocketListener {
  private readonly sources = new SourceTable<DatagramStream>();
  private readonly single: boolean;
  private readonly onlyAddress: string | undefined;
  private readonly onlyPort: number;

  constructor(context: ListenerContext<UdpListener>, single: boolean) {
    super(context);
    const { address = '', port = 0 } = context.spec.connect ?? {};
    this.single = single;
    this.onlyAddress = address === '' ? undefined : canonical(address);
    this.onlyPort = port;
  }

  protected receive(datagram: Buffer, address: string, port: number): void {
    const stream = this.sources.get(address, port) ?? this.welcome(address, port);
    stream?.deliver(datagram);
  }

  private welcome(address: string, port: number): DatagramStream | undefined {
    if (this.onlyAddress !== undefined && this.onlyAddress !== plainAddress(address)) return undefined;
    if (this.onlyPort !== 0 && this.onlyPort !== port) return undefined;
    if (this.single && !this.sources.empty) return undefined;
    const stream = this.newStream({ address, port }, false, this.release);
    this.sources.add(stream);
    return this.accept(stream) ? stream : undefined;
  }

  private readonly release = (stream: DatagramStream): void => this.sources.delete(stream);

  protected streams(): readonly DatagramStream[] {
    return this.sources.all();
  }

  protected prepare(): Promise<void> {
    return Promise.resolve();
  }

  protected started(): void {
    // Sessions come with datagrams.
  }

  protected ignores(): boolean {
    return false;
  }
}

/** After the session has ended, a new one begins when the peer sends, or else after this many ms. */
const RESTART_AFTER = 1000;

/** One session, from the start: the socket is connected to the peer. */
class PeerListener extends SocketListener {
  private readonly peer: Source;
  private stream: DatagramStream | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(context: ListenerContext<UdpListener>, peer: Source) {
    super(context);
    this.peer = peer;
  }

  protected prepare(socket: Socket): Promise<void> {
    return connectSocket(socket, this.peer);
  }

  /** The rest of the configuration starts along with this listener: a turn later it is all there. */
  protected started(): void {
    this.timer = setTimeout(() => this.begin(), 0);
  }

  private begin(): void {
    clearTimeout(this.timer);
    if (this.socket === undefined) return;
    const stream = this.newStream(this.peer, true, this.release);
    this.stream = stream;
    this.accept(stream);
  }

  private readonly release = (): void => {
    this.stream = undefined;
    this.timer = setTimeout(() => this.begin(), RESTART_AFTER).unref();
  };

  protected receive(datagram: Buffer): void {
    if (this.stream === undefined) this.begin();
    this.stream?.deliver(datagram);
  }

  override async close(): Promise<void> {
    const closed = super.close();
    clearTimeout(this.timer);
    await closed;
  }

  protected streams(): readonly DatagramStream[] {
    return this.stream ? [this.stream] : [];
  }

  /** A peer that isn't there (yet) is no reason to end its session. */
  protected ignores(error: Error): boolean {
    return ProxyError.from(error).code === 'CONNECT_REFUSED';
  }
}

/** As the system writes it (RFC 5952), so that it can be compared. */
function canonical(address: string): string {
  const plain = plainAddress(address);
  return isIPv6(plain) && !plain.includes('.') && !plain.includes('%')
    ? new URL(`http://[${plain}]`).hostname.slice(1, -1)
    : plain;
}
