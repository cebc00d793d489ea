/** UDP, server side: a session for each source (server mode), or for one peer at a time (singleton mode). */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4 } from 'node:net';
import type { UdpListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { LeftPair } from '../../core/offload.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { type Ends, endsMetadata, formatAddress, sessionName } from '../../sockets/addresses.ts';
import { type CapturedDoor, capturedDoor } from '../../sockets/captured.ts';
import { decodeInet, encodeInet } from '../../sockets/native/sockaddr.ts';
import { DatagramStream } from './datagram-stream.ts';
import { openSocket } from './open-socket.ts';
import type { Receiver, UdpSocket } from './socket.ts';
import { type Source, SourceTable } from './source-table.ts';

export function createListener(context: ListenerContext<UdpListener>): Listener {
  const { spec } = context;
  const { address = '', port = 0 } = spec.connect ?? {};
  const whole = address !== '' && port > 0;
  const mode = spec.options.mode ?? (whole ? 'singleton' : 'server');
  return mode === 'singleton' && whole ? new PeerListener(context) : new SourceListener(context, mode === 'singleton');
}

/** What both have: one socket, and sessions on it. */
abstract class SocketListener implements Listener, Receiver {
  protected readonly context: ListenerContext<UdpListener>;
  protected socket: UdpSocket | undefined;
  /** Whose datagrams are taken: any address's, and any port's of 0, where these are not configured. */
  protected only: Source = { address: '', port: 0 };
  private readonly isConnected: boolean;
  private readonly door: CapturedDoor | undefined;
  private counter = 0;
  private failedAt = -Infinity;

  /** `isConnected`: to the only peer. */
  constructor(context: ListenerContext<UdpListener>, isConnected: boolean) {
    this.context = context;
    this.isConnected = isConnected;
    this.door = capturedDoor(context.capture, context.spec, 'udp');
  }

  get address(): string {
    return this.socket ? formatAddress(this.socket.local.address, this.socket.local.port) : '';
  }

  get overflow(): number | undefined {
    return this.socket?.overflow;
  }

  async start(): Promise<void> {
    const { address, port, connect, options } = this.context.spec;
    this.only = { address: await resolve(connect?.address ?? ''), port: connect?.port ?? 0 };
    const socket = await openSocket({
      local: { address: await resolve(address), port },
      peer: this.isConnected ? this.only : undefined,
      reusePort: options.reuse_port,
      receiveBuffer: options.receive_buffer,
    });
    try {
      this.door?.open(socket.local.address, socket.local.port);
    } catch (error) {
      await socket.close();
      throw error;
    }
    this.socket = socket;
    socket.start(this);
    this.started();
  }

  /** The socket is that of the sessions, too. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    const { socket } = this;
    if (socket === undefined) return;
    this.door?.close();
    this.socket = undefined;
    const reason = new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`);
    for (const stream of this.streams()) stream.destroy(reason);
    await socket.close();
  }

  /** It takes the place of one that has begun meanwhile. */
  resume(left: LeftPair): boolean {
    if (this.socket === undefined || !hears(this.socket.local, left.client.local)) return false;
    const { address, port } = left.client.remote;
    const stream = this.streamOf(address, port);
    stream?.destroy(new ProxyError('DELETED', 'the kernel has an earlier session of this peer, which goes on'));
    return this.begin(address, port, left) !== undefined;
  }

  /** A stream that is known to `streams`, before its session is there. */
  protected newStream(peer: Source, release: (stream: DatagramStream) => void): DatagramStream {
    const { socket, isConnected } = this;
    if (socket === undefined) throw new ProxyError('LISTENER_CLOSED', 'the socket is closed');
    return new DatagramStream({ socket, peer, isConnected, release });
  }

  /** The ends of a session with this peer; undefined where it is turned away. */
  protected endsOf({ address, port }: Source): Ends | undefined {
    const local = this.socket?.local ?? { address: '', port: 0 };
    try {
      if (this.door) return this.door.endsOf(address, port);
    } catch (error) {
      this.context.refused(ProxyError.from(error), formatAddress(address, port));
      return undefined;
    }
    return { srcAddress: address, srcPort: port, dstAddress: local.address, dstPort: local.port };
  }

  /** False where it was refused; the stream is destroyed then. */
  protected accept(stream: DatagramStream, ends: Ends, resumed?: LeftPair): boolean {
    const name = resumed?.note.name ?? `${sessionName('UDP', ends)}-${this.counter++}`;
    // New ones are called otherwise.
    if (resumed) this.counter = Math.max(this.counter, Number(/-(\d+)$/u.exec(name)?.[1] ?? 0) + 1);
    return this.context.accept({ name, metadata: endsMetadata('UDP', ends), stream, resumed });
  }

  /** Not more than once a second: under load the same error comes with every datagram. */
  failed(error: ProxyError): void {
    if (this.ignores(error) || Date.now() - this.failedAt < 1000) return;
    this.failedAt = Date.now();
    this.context.log.error({ listener: this.context.name, error: error.message }, 'receiving datagrams failed');
  }

  abstract received(datagram: Buffer, address: string, port: number): void;
  protected abstract started(): void;
  protected abstract streams(): readonly DatagramStream[];
  protected abstract streamOf(address: string, port: number): DatagramStream | undefined;
  /** A session with this peer; undefined where it may have none. */
  protected abstract begin(address: string, port: number, resumed?: LeftPair): DatagramStream | undefined;
  protected abstract ignores(error: ProxyError): boolean;
}

/** Datagrams go to the session of their source. With `single`, the first source is the only one while it has a session. */
class SourceListener extends SocketListener {
  private readonly sources = new SourceTable<DatagramStream>();
  private readonly single: boolean;

  constructor(context: ListenerContext<UdpListener>, single: boolean) {
    super(context, false);
    this.single = single;
  }

  received(datagram: Buffer, address: string, port: number): void {
    const stream = this.sources.get(address, port) ?? this.begin(address, port);
    stream?.received(datagram);
  }

  protected streamOf(address: string, port: number): DatagramStream | undefined {
    return this.sources.get(address, port);
  }

  protected begin(address: string, port: number, resumed?: LeftPair): DatagramStream | undefined {
    const { only } = this;
    if (only.address !== '' && only.address !== address) return undefined;
    if (only.port !== 0 && only.port !== port) return undefined;
    if (this.single && !this.sources.empty) return undefined;
    const ends = this.endsOf({ address, port });
    if (!ends) return undefined;
    const stream = this.newStream({ address, port }, this.release);
    this.sources.add(stream);
    return this.accept(stream, ends, resumed) ? stream : undefined;
  }

  private readonly release = (stream: DatagramStream): void => this.sources.delete(stream);

  protected streams(): readonly DatagramStream[] {
    return this.sources.all();
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
  private stream: DatagramStream | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(context: ListenerContext<UdpListener>) {
    super(context, true);
  }

  /** The rest of the configuration starts along with this listener: a turn later it is all there. */
  protected started(): void {
    this.timer = setTimeout(() => this.beginAgain(), 0);
  }

  private beginAgain(): void {
    if (this.socket !== undefined) this.begin(this.only.address, this.only.port);
  }

  protected streamOf(): DatagramStream | undefined {
    return this.stream;
  }

  protected begin(address: string, port: number, resumed?: LeftPair): DatagramStream | undefined {
    clearTimeout(this.timer);
    if (address !== this.only.address || port !== this.only.port) return undefined;
    const ends = this.endsOf(this.only);
    if (!ends) return undefined;
    const stream = this.newStream(this.only, this.release);
    this.stream = stream;
    return this.accept(stream, ends, resumed) ? stream : undefined;
  }

  private readonly release = (): void => {
    this.stream = undefined;
    this.timer = setTimeout(() => this.beginAgain(), RESTART_AFTER).unref();
  };

  received(datagram: Buffer): void {
    if (this.stream === undefined) this.beginAgain();
    this.stream?.received(datagram);
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
  protected override ignores(error: ProxyError): boolean {
    return error.code === 'CONNECT_REFUSED';
  }
}

/** Whether a socket that is bound so is sent what goes there. */
function hears(local: Source, { address, port }: Source): boolean {
  const isOfAll = local.address === '::' || (local.address === '0.0.0.0' && isIPv4(address));
  return local.port === port && (isOfAll || local.address === address);
}

/** An IP address as the system writes it (RFC 5952), so that it can be compared. @throws ProxyError `HOST_NOT_FOUND` */
async function resolve(host: string): Promise<string> {
  if (host === '') return host;
  try {
    const address = isIP(host) > 0 ? host : (await lookup(host)).address;
    return address.includes('%') ? address : (decodeInet(encodeInet(address, 0))?.address ?? address);
  } catch (error) {
    throw ProxyError.from(error);
  }
}
