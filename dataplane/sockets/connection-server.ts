/** A TCP server whose connections may begin with a PROXY header and with TLS, whatever they speak then. */
import type { Socket } from 'node:net';
import type { TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Listener } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import { type Ends, formatAddress } from './addresses.ts';
import type { ProxyMode } from './proxy-protocol.ts';
import { TcpServer, type TcpServerOptions } from './tcp-server.ts';
import type { TlsAcceptor } from './tls.ts';

export interface ConnectionServerOptions extends TcpServerOptions {
  readonly proxy_protocol: ProxyMode;
  readonly tls?: TlsServer;
  /** ms */
  readonly handshake_timeout?: number;
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
  private readonly alpn: readonly string[];
  private readonly onConnection: (connection: Connection) => void;
  private acceptor: TlsAcceptor | undefined;

  /** `alpn`: what is offered where the configuration names none. */
  constructor(
    options: ConnectionServerOptions,
    log: Logger,
    onConnection: (connection: Connection) => void,
    alpn: readonly string[] = [],
  ) {
    this.options = options;
    this.log = log;
    this.alpn = alpn;
    this.onConnection = onConnection;
    const plain = options.proxy_protocol === 'off' && options.tls === undefined;
    this.server = new TcpServer(options, log, (socket, ends) => {
      if (plain) onConnection({ socket, ends, metadata: {}, alpn: undefined });
      else void this.prepare(socket, ends);
    });
  }

  get address(): string {
    return this.server.address;
  }

  async start(): Promise<void> {
    const { tls } = this.options;
    if (tls) {
      const { TlsAcceptor } = await import('./tls.ts');
      this.acceptor = new TlsAcceptor(tls, this.log, this.alpn);
    }
    try {
      await this.server.start();
    } catch (error) {
      this.acceptor?.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.acceptor?.close();
    await this.server.close();
  }

  private async prepare(socket: Socket, peer: Ends): Promise<void> {
    const { proxy_protocol, handshake_timeout = 10_000 } = this.options;
    const ignore = (): void => undefined;
    socket.on('error', ignore); // whoever waits for something hears of it, too
    try {
      const { readProxyHeader } = await import('./proxy-protocol.ts');
      const { ends, metadata } = await readProxyHeader(socket, proxy_protocol, peer);
      if (this.acceptor === undefined) {
        this.onConnection({ socket, ends, metadata, alpn: undefined });
        return;
      }
      const { tlsMetadata } = await import('./tls.ts');
      const secure = await this.acceptor.accept(socket, handshake_timeout);
      const alpn = typeof secure.alpnProtocol === 'string' ? secure.alpnProtocol : undefined;
      this.onConnection({ socket: secure, ends, metadata: { ...metadata, ...tlsMetadata(secure) }, alpn });
    } catch (error) {
      socket.destroy();
      const source = formatAddress(peer.srcAddress, peer.srcPort);
      this.log.info({ source, error: ProxyError.from(error).message }, 'a connection was refused');
    }
  }
}
