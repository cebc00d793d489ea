/** A TCP server whose connections may begin with a PROXY header and with TLS, whatever they speak then. */
import type { Socket } from 'node:net';
import type { TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Listener } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import { type Ends, formatAddress } from './addresses.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import { TcpServer, type TcpServerOptions, type TcpServerSurroundings } from './tcp-server.ts';
import { TlsAcceptor } from './tls-acceptor.ts';
import { inspectTls } from './tls-inspector.ts';
import type { TlsSurroundings } from './tls-context.ts';
import { tlsMetadata } from './tls-metadata.ts';

/** How long a PROXY header, and a handshake, may take unless configured otherwise, in ms. */
const TIMEOUT = 10_000;

export interface ConnectionServerOptions extends TcpServerOptions {
  readonly proxy_protocol: 'off' | 'optional' | 'required';
  readonly tls?: TlsServer;
  /** ms */
  readonly handshake_timeout?: number;
  /** Whether TLS is looked at that is not ended here. */
  readonly tls_inspector?: boolean;
  /** ms */
  readonly tls_inspector_timeout?: number;
}

/** A connection that is ready to be spoken on. */
export interface Connection {
  /** Plain, or TLS. */
  readonly socket: Socket;
  /** As the PROXY header says, where there was one. */
  readonly ends: Ends;
  /** `PROXY` and `TLS`, where there are. */
  readonly metadata: Metadata;
  /** The application protocol that TLS agreed on; undefined without one. */
  readonly alpn: string | undefined;
}

export class ConnectionServer implements Listener {
  private readonly options: ConnectionServerOptions;
  private readonly log: Logger;
  private readonly server: TcpServer;
  private readonly acceptor: TlsAcceptor | undefined;
  private readonly onConnection: (connection: Connection) => void;
  /** Connections that can't be spoken on yet: they go with the server. */
  private readonly preparing = new Set<Socket>();

  /** `alpn`: what is offered where the configuration names none. @throws ProxyError `INVALID_CONFIG` */
  constructor(
    options: ConnectionServerOptions,
    { log, secrets, refused, capture }: TlsSurroundings & TcpServerSurroundings,
    onConnection: (connection: Connection) => void,
    alpn: readonly string[] = [],
  ) {
    this.options = options;
    this.log = log;
    this.onConnection = onConnection;
    this.acceptor = options.tls && new TlsAcceptor(options.tls, { log, secrets }, alpn);
    const plain = options.proxy_protocol === 'off' && options.tls === undefined && options.tls_inspector !== true;
    this.server = new TcpServer(options, { log, refused, capture }, (socket, ends) => {
      if (plain) onConnection({ socket, ends, metadata: {}, alpn: undefined });
      else void this.prepare(socket, ends);
    });
  }

  get address(): string {
    return this.server.address;
  }

  get certificateExpiry(): number | undefined {
    return this.acceptor?.certificateExpiry;
  }

  async start(): Promise<void> {
    await this.server.start();
    this.acceptor?.start();
  }

  async close(): Promise<void> {
    this.acceptor?.close();
    for (const socket of this.preparing) socket.destroy();
    await this.server.close();
  }

  private async prepare(socket: Socket, peer: Ends): Promise<void> {
    socket.on('error', () => undefined); // whoever waits for something hears of it, too
    this.preparing.add(socket);
    try {
      this.onConnection(await this.prepared(socket, peer));
    } catch (error) {
      socket.destroy();
      const { code, message } = ProxyError.from(error);
      const fields = { source: formatAddress(peer.srcAddress, peer.srcPort), error: message };
      // Whoever only knocks (a health check, a scanner) isn't worth a line.
      if (code === 'PEER_CLOSED' || code === 'PEER_RESET') this.log.debug(fields, 'a connection was given up');
      else this.log.info(fields, 'a connection was refused');
    } finally {
      this.preparing.delete(socket);
    }
  }

  private async prepared(socket: Socket, peer: Ends): Promise<Connection> {
    const { proxy_protocol: mode, handshake_timeout: timeout = TIMEOUT } = this.options;
    const { ends, metadata } =
      mode === 'off' ? { ends: peer, metadata: {} } : await readProxyHeader(socket, mode, peer, timeout);
    if (this.acceptor === undefined) {
      const { tls_inspector: inspects, tls_inspector_timeout: patience = TIMEOUT } = this.options;
      const inspected = inspects ? await inspectTls(socket, patience) : {};
      return { socket, ends, metadata: { ...metadata, ...inspected }, alpn: undefined };
    }
    const secure = await this.acceptor.accept(socket, timeout);
    const { alpnProtocol } = secure;
    return {
      socket: secure,
      ends,
      metadata: { ...metadata, ...tlsMetadata(secure) },
      alpn: typeof alpnProtocol === 'string' ? alpnProtocol : undefined,
    };
  }
}
